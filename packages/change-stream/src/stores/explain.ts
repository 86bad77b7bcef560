import { ChangeStreamError } from '../errors.ts'
import type { StreamStore } from '../types.ts'

/** What is wrong where waiting does not help, told by code or words of a database, and what to do. The first counts. */
const REASONS: ReadonlyArray<[RegExp, (table: string, dialect: string) => string]> = [
  [
    /^42P01 |no such table/,
    (table, dialect) =>
      `there is no table ${table} for the positions of change streams: run changeStreamSql('${dialect}'${
        argument(table)
      }) in a migration`
  ],
  [
    /^42703 |no such column|has no column named/,
    (table, dialect) =>
      `the table ${table} of change streams lacks a column that this version needs: compare it with changeStreamSql('${dialect}'${
        argument(table)
      }) and add what is missing in a migration`
  ],
  [
    /^42501 /,
    (table) =>
      `the database user of change streams may not use the table ${table}: grant it SELECT, INSERT and UPDATE there`
  ],
  [
    /^(28P01|28000) /,
    () => 'the database refuses the user or the password of the pool of change streams: correct its connection string'
  ],
  [
    /^3D000 /,
    () =>
      'there is no database of the name that the pool of change streams asks for: create it, or correct its connection string'
  ],
  [
    /after calling end on the pool/,
    () =>
      'the pool of change streams was ended before the app was closed: end it in an onClose hook that is added before the plugin is registered'
  ]
]

/**
 * A store whose errors say what to do, where trying again does not help: a missing table, a wrong password. Errors of
 * `apply` and of `copy` pass as they are.
 */
export function explainErrors (store: StreamStore, table: string, dialect: 'postgres' | 'sqlite'): StreamStore {
  const explained = async <Result>(work: Promise<Result>, isOthers = (_error: unknown) => false): Promise<Result> => {
    try {
      return await work
    } catch (error) {
      throw isOthers(error) ? error : explain(error, table, dialect)
    }
  }
  return {
    lead: (stream, signal) => explained(store.lead(stream, signal)),
    transaction: (timeout, fn) => {
      const others = new Set<unknown>()
      const noted: typeof fn = (tx) =>
        fn(tx).catch((error: unknown) => {
          others.add(error)
          throw error
        })
      return explained(store.transaction(timeout, noted), (error) => others.has(error))
    },
    read: (stream) => explained(store.read(stream)),
    move: (...args) => explained(store.move(...args)),
    lock: (...args) => explained(store.lock(...args)),
    set: (...args) => explained(store.set(...args)),
    measure: () => explained(store.measure())
  }
}

function explain (error: unknown, table: string, dialect: string): unknown {
  if (!(error instanceof Error) || error instanceof ChangeStreamError) return error
  const said = `${'code' in error ? String(error.code) : ''} ${error.message}`
  const [, sentence] = REASONS.find(([words]) => words.test(said)) ?? []
  if (sentence === undefined) return error
  return new ChangeStreamError('CHANGE_STREAM_STORE', sentence(table, dialect), { cause: error })
}

function argument (table: string): string {
  return table === 'change_streams' ? '' : `, '${table}'`
}

import { OutboxError } from '../errors.ts'
import type { OutboxStore } from '../types.ts'

/** What is wrong where waiting does not help, told by code or words of a database, and what to do. The first counts. */
const REASONS: ReadonlyArray<[RegExp, (table: string, dialect: string) => string]> = [
  [
    /^42P01 |no such table/,
    (table, dialect) =>
      `the outbox has no table ${table} in its database: run outboxSql('${dialect}'${argument(table)}) in a migration`
  ],
  [
    /^42703 |no such column|has no column named/,
    (table, dialect) =>
      `the table ${table} of the outbox lacks a column that this version needs: compare it with outboxSql('${dialect}'${
        argument(table)
      }) and add what is missing in a migration`
  ],
  [
    /^42501 /,
    (table) =>
      `the database user of the outbox may not use the table ${table}: grant it SELECT, INSERT, UPDATE and DELETE there`
  ],
  [
    /^(28P01|28000) /,
    () => "the database refuses the user or the password of the outbox's pool: correct its connection string"
  ],
  [
    /^3D000 /,
    () =>
      "there is no database of the name that the outbox's pool asks for: create it, or correct its connection string"
  ],
  [
    /after calling end on the pool/,
    () =>
      "the outbox's pool was ended before the app was closed: end it in an onClose hook that is added before the plugin is registered"
  ]
]

/**
 * A store whose errors say what to do, where trying again does not help: a missing table, a wrong password. Errors of
 * handlers pass as they are.
 */
export function explainErrors (store: OutboxStore, table: string, dialect: 'postgres' | 'sqlite'): OutboxStore {
  const explained = async <Result>(work: Promise<Result>, isOthers = (_error: unknown) => false): Promise<Result> => {
    try {
      return await work
    } catch (error) {
      throw isOthers(error) ? error : explain(error, table, dialect)
    }
  }
  return {
    insert: (tx, event) => explained(store.insert(tx, event)),
    work: (claim, settle) => {
      const others = new Set<unknown>()
      const noted: typeof settle = (events) =>
        settle(events).catch((error: unknown) => {
          others.add(error)
          throw error
        })
      return explained(store.work(claim, noted), (error) => others.has(error))
    },
    pending: (ids) => explained(store.pending(ids)),
    measure: () => explained(store.measure()),
    parked: (limit) => explained(store.parked(limit)),
    replay: async (ids) => await explained(store.replay(ids === 'all' ? ids : checkIds(ids, 'replay'))),
    discard: async (ids) => await explained(store.discard(checkIds(ids, 'discard')))
  }
}

function explain (error: unknown, table: string, dialect: string): unknown {
  if (!(error instanceof Error) || error instanceof OutboxError) return error
  const said = `${'code' in error ? String(error.code) : ''} ${error.message}`
  const [, sentence] = REASONS.find(([words]) => words.test(said)) ?? []
  return sentence === undefined ? error : new OutboxError('OUTBOX_STORE', sentence(table, dialect), { cause: error })
}

/** Nothing, taken for a list of ids, would mean all of them. */
function checkIds (ids: unknown, verb: string): string[] {
  if (Array.isArray(ids) && ids.every((id) => typeof id === 'string')) return ids
  throw new OutboxError(
    'OUTBOX_USAGE',
    `store.${verb} takes a list of ids${verb === 'replay' ? ", or 'all'" : ''}: those of store.parked()`
  )
}

function argument (table: string): string {
  return table === 'outbox' ? '' : `, '${table}'`
}

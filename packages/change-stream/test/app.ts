import Fastify, { type FastifyInstance } from 'fastify'
import type { ChangeStreamDocument, Collection } from 'mongodb'
import type { Test } from 'tap'
import changeStream, {
  changeStreamSql,
  postgresStore,
  type ChangeStreamOptions,
  type CopySource,
  type Sql,
  type StreamOptions,
  type StreamStore
} from '../src/index.ts'
import { freshMongo, freshPostgres } from '../../../test/fresh.ts'
import { until } from '../../../test/until.ts'

export interface Thing {
  _id: number
  n: number
  blob?: string
}
interface Line {
  level: number
  msg: string
  changeStream?: Record<string, unknown>
}
export type Given =
  & Partial<ChangeStreamOptions>
  & Partial<Pick<StreamOptions<Thing>, 'apply' | 'copy' | 'pipeline' | 'copyPages' | 'copyFrom'>>

const TABLES = `${changeStreamSql('postgres')}
  CREATE TABLE things (id integer PRIMARY KEY, n integer NOT NULL);
  CREATE TABLE seen (what text NOT NULL);`

/** Keeps `things` as in MongoDB, and counts every change it carries out: the count must not be idempotent. */
export async function carry (tx: Sql, changes: Array<ChangeStreamDocument<Thing>>): Promise<void> {
  for (const change of changes) {
    if (change.operationType === 'drop') await tx.query('DELETE FROM things')
    if (!('documentKey' in change)) continue
    const { _id } = change.documentKey
    await tx.query('INSERT INTO seen (what) VALUES ($1)', [`${change.operationType} ${String(_id)}`])
    const doc = 'fullDocument' in change ? change.fullDocument : undefined
    if (change.operationType === 'delete') await tx.query('DELETE FROM things WHERE id = $1', [_id])
    else if (doc) {
      await tx.query('INSERT INTO things (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n', [
        _id,
        doc.n
      ])
    }
  }
}

/** Makes `things` what MongoDB has, and counts them. */
export async function copyAll (tx: Sql, { collection, session }: CopySource<Thing>): Promise<Record<string, number>> {
  await tx.query('DELETE FROM things')
  const documents = await collection.find({}, { session }).toArray()
  for (const { _id, n } of documents) await tx.query('INSERT INTO things (id, n) VALUES ($1, $2)', [_id, n])
  return { copied: documents.length }
}

/** A bare app that follows `things`, and its log. */
export async function appWith (
  t: Test,
  store: StreamStore,
  collection: Collection<Thing>,
  given: Given = {}
): Promise<{ app: FastifyInstance; lines: Line[] }> {
  const { apply = carry, copy = copyAll, pipeline, copyPages, copyFrom, ...options } = given
  const lines: Line[] = []
  const app = Fastify({
    logger: {
      level: 'info',
      stream: {
        write: (line: string) => {
          lines.push(JSON.parse(line) as Line)
        }
      }
    }
  })
  await app.register(changeStream, { store, awaitTime: 50, ...options })
  app.changeStream.follow<Thing>('things', {
    collection: () => collection,
    apply,
    copy,
    ...(pipeline && { pipeline }),
    ...(copyPages && { copyPages }),
    ...(copyFrom && { copyFrom })
  })
  await app.ready()
  t.teardown(() => app.close())
  return { app, lines }
}

/** How far the stream of an app has come: following, backing off and so on. */
export function getState (app: FastifyInstance) {
  return app.changeStream.stats()[0]?.state
}

/** Waits until an app follows its stream. */
export async function follows (app: FastifyInstance): Promise<void> {
  await until('it follows', () => getState(app) === 'following')
}

/**
 * Databases of this test's own, empty before each sub-test; after each no connection and no lock may be left.
 * @returns the databases, the collection `things` that is followed, what `carry` made of it in SQL (`rows`), the
 * changes carried out in order (`seen`), the stored position (`saved`), and a wait until SQL has exactly the rows that
 * are expected (`equals`)
 */
export async function onPostgres (t: Test) {
  const { pool, url } = await freshPostgres(t)
  const { db, client, url: mongoUrl } = await freshMongo(t)
  const things = db.collection<Thing>('things')
  const store = postgresStore(pool)
  const rows = async () => (await pool.query<{ id: number; n: number }>('SELECT id, n FROM things ORDER BY id')).rows
  const seen = async () => (await pool.query<{ what: string }>('SELECT what FROM seen')).rows.map(({ what }) => what)
  const saved = async () => (await pool.query("SELECT * FROM change_streams WHERE stream = 'things'")).rows[0]
  const equals = (expected: Array<{ id: number; n: number }>) =>
    until(`SQL is ${JSON.stringify(expected)}`, async () => JSON.stringify(await rows()) === JSON.stringify(expected))
  t.beforeEach(async () => {
    await things.drop().catch(() => {})
    await db.createCollection('things')
    await pool.query(`DROP TABLE IF EXISTS things, seen, change_streams; ${TABLES}`)
  })
  t.afterEach(async () => {
    await until(
      'every connection is back in the pool',
      () => pool.totalCount === pool.idleCount && pool.waitingCount === 0
    )
    await until(
      'no lock is left',
      async () =>
        (await pool.query(
          "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )).rowCount === 0
    )
  })
  return { pool, url, client, db, mongoUrl, things, store, rows, seen, saved, equals }
}

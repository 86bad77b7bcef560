import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { App, BuildOptions } from '../../app.ts'
import { migrate } from '../../drizzle/migrate.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { createThings } from '../fixture/tables.ts'
import { countNotes, countThings } from '../fixture/things.ts'
import { newFolder } from '../folder.ts'
import { build } from '../helper.ts'
import { storeOne } from './store-one.ts'

export { storeOne }

let serial = 0

/** A key that nothing has used yet. */
export function newKey (): string {
  return `key-${++serial}-${Math.random().toString(36).slice(2)}`
}

/** How many things of `storeOne` are committed. */
export async function countStored (app: App, store: 'sql' | 'mongo'): Promise<number> {
  return await (store === 'mongo' ? countNotes(app) : countThings(app))
}

/** An answer, as far as repeats are about it. */
export interface Answer {
  status: number
  body: Record<string, unknown>
  text: string
  bytes: Buffer
  isReplay: boolean
  headers: Record<string, unknown>
}

/** The service on one engine, its own routes, and short words for requests and for what is stored. */
export interface Keyed {
  app: App
  send: (url: string, key: string, headers?: Record<string, string>) => Promise<Answer>
  count: () => Promise<number>
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

const ENGINES = [
  { name: 'PostgreSQL', store: 'sql', settings: {} },
  { name: 'PostgreSQL, BEGIN by itself', store: 'sql', settings: { DATABASE_PIPELINE: false } },
  { name: 'SQLite', store: 'sql', settings: {} },
  { name: 'MongoDB', store: 'mongo', settings: {} }
] as const

/** Runs the same tests with keys in each store, on databases of their own; `config` is added to that of each route. */
export function onEachStore (
  t: Test,
  handlers: Record<string, Handler>,
  run: (t: Test, keyed: Keyed & { name: string }) => Promise<void>,
  config: Record<string, FastifyContextConfig> = {}
): void {
  for (const { name, store, settings } of ENGINES) {
    t.test(name, async (t) => {
      const file = `file:${newFolder(t)}/tandem.db`
      if (name === 'SQLite') await migrate(file)
      const app = await build(t, {
        settings: { PROJECTIONS: false, ...settings, ...(name === 'SQLite' ? { DATABASE_URL: file } : {}) },
        plugins: getRoutes(handlers, store, config)
      })
      await run(t, { name, app, send: createSender(app), count: () => countStored(app, store) })
    })
  }
}

function getRoutes (
  handlers: Record<string, Handler>,
  store: 'sql' | 'mongo',
  config: Record<string, FastifyContextConfig>
): NonNullable<BuildOptions['plugins']> {
  return async (app) => {
    await createThings(app)
    for (const [url, handler] of Object.entries(handlers)) {
      app.post(url, { config: { transaction: { store }, ...config[url] } }, handler)
    }
  }
}

/** Posts an empty object under a key. */
export function createSender (app: App): Keyed['send'] {
  return async (url, key, headers = {}) => {
    const reply = await app.inject({
      method: 'POST',
      url,
      payload: {},
      headers: { 'idempotency-key': key, ...headers }
    })
    const isJson = String(reply.headers['content-type']).includes('json')
    return {
      status: reply.statusCode,
      body: isJson ? reply.json<Record<string, unknown>>() : {},
      text: reply.body,
      bytes: reply.rawPayload,
      isReplay: reply.headers['idempotency-replayed'] === 'true',
      headers: reply.headers
    }
  }
}

/** A statement that the store refuses. */
export async function failOne (request: FastifyRequest): Promise<void> {
  await storeOne(request)
  if (request.transaction.store === 'sql') {
    return void await request.transaction.query('INSERT INTO things (name) VALUES (NULL)')
  }
  await request.mongo.collection('notes').updateOne({}, { $nonsense: 1 })
}

/** The store takes keys and refuses answers. */
export async function refuseAnswers (app: App, name: string): Promise<void> {
  if (name === 'MongoDB') {
    const keys = await mongoDatabase(app).createCollection('idempotency_keys').catch(() =>
      mongoDatabase(app).collection('idempotency_keys')
    )
    await mongoDatabase(app).command({ collMod: keys.collectionName, validator: { answer: { $exists: false } } })
  } else if (name === 'SQLite') {
    await app.sqlite?.query(
      "CREATE TRIGGER no_answer BEFORE UPDATE ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'no answers'); END"
    )
  } else {
    await app.pg.query('ALTER TABLE idempotency_keys ADD CONSTRAINT no_answers CHECK (status IS NULL)')
  }
}

// Every way in which TypeScript may import the packages, with the libraries' own declarations checked.
import t from 'tap'
import { foreignApp } from './foreign-app.ts'

const NEEDED = ['fastify', 'fastify-plugin', '@types/node']
const OURS = ['transaction', 'outbox', 'change-stream'] as const

/** What an app of each of them may say; one that is wrong is marked. */
const SOURCE = `import Fastify from 'fastify'
import transaction, { mapError, TransactionTimeoutError, type RouteTransactionOptions, type Transaction } from 'fastify-transaction'
import outbox, { OutboxError, outboxSql, type NewEvent } from 'fastify-outbox'
import changeStream, { changeStreamSql, type StreamStore } from 'fastify-change-stream'

declare module 'fastify-transaction' {
  interface TransactionTypes { db: { find: (id: number) => string } }
}
declare const store: StreamStore
const app = Fastify()
app.register(transaction, { methods: ['POST'] })
app.register(changeStream, { store })
// @ts-expect-error an outbox has a store
app.register(outbox, { relay: true })
// @ts-expect-error no such method
app.register(transaction, { methods: 'POST' })
const options: RouteTransactionOptions = { retries: 3 }
const event: NewEvent = { topic: 'a', key: 'b', payload: 1 }
app.post('/', { config: { transaction: options } }, async (request) => {
  await app.outbox.enqueue(request.transaction, event)
  const found: string = request.db.find(1)
  // @ts-expect-error an id is a number
  request.db.find('1')
  return { found, measured: app.outbox.stats()[0]?.measuredAt?.getTime() }
})
export async function count (): Promise<number> {
  return await app.transaction(async ({ query }: Transaction) => (await query('select 1')).rows.length)
}
export function explain (error: unknown): string {
  if (error instanceof TransactionTimeoutError) return error.message
  return error instanceof OutboxError ? error.code : String(mapError(error)?.status)
}
export const sql: string = outboxSql('postgres')
export const position: string = changeStreamSql('postgres')
`

const MORE = `import type { Transaction } from 'fastify-transaction'
import { count } from './app.cjs'
export const more: (transaction: Transaction) => Promise<number> = async () => await count()
`

const DRIZZLE = `import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, serial } from 'drizzle-orm/pg-core'
import { drizzleHandles, type DrizzleHandle } from 'fastify-transaction/drizzle'

const schema = { note: pgTable('note', { id: serial('id') }) }
const { autocommit } = drizzleHandles(drizzle('postgres://127.0.0.1/none', { schema }))
export async function ids (db: DrizzleHandle<typeof schema> = autocommit): Promise<number[]> {
  return (await db.query.note.findMany()).map(({ id }) => id)
}
`

/** The collections that MongoDB's own types give, as the README of the outbox has them. */
const MONGO = `import type { Collection, MongoClient } from 'mongodb'
import { projectToMongo, type Apply, type Projected } from 'fastify-outbox'

export function untyped (client: MongoClient): Apply {
  return projectToMongo({ collection: () => client.db('app').collection('people'), document: () => ({}) })
}
export function withTypes (client: MongoClient): Apply {
  return projectToMongo<number, { id: number; name: string }>({
    collection: () => client.db('app').collection('people'),
    id: ({ payload }) => payload.id,
    document: ({ payload }) => ({ name: payload.name })
  })
}
export function typed (users: Collection<Projected<number> & { name?: string }>): Apply {
  return projectToMongo<number>({ collection: () => users, document: () => null })
}
`

interface Kind {
  name: string
  /** The ending that makes it a module of its kind. */
  file: string
  options: object
}

/** Without the packages that an app may leave out, and with the libraries' own declarations checked. */
const BARE: Kind[] = [
  { name: 'ES module, nodenext', file: 'app.ts', options: { module: 'nodenext' } },
  { name: 'CommonJS, node16', file: 'app.cts', options: { module: 'node16' } }
]

const FULL: Kind[] = [
  { name: 'CommonJS, nodenext', file: 'app.cts', options: { module: 'nodenext' } },
  { name: 'bundler', file: 'app.ts', options: { module: 'esnext', moduleResolution: 'bundler' } },
  {
    name: 'CommonJS, node10',
    file: 'app.ts',
    options: { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true }
  }
]

for (const { name, file, options } of BARE) {
  t.test(`${name}: without pg, MongoDB and Drizzle`, async (t) => {
    const app = await foreignApp(t, NEEDED, { ours: [...OURS] })
    // Change streams are MongoDB's.
    app.write(file, SOURCE.replaceAll(/^.*(changeStream|StreamStore).*$/gm, ''))
    t.equal(await app.check({ ...options, skipLibCheck: false }), '')
  })
}

for (const { name, file, options } of FULL) {
  t.test(`${name}: with all of them, and each type once`, async (t) => {
    const app = await foreignApp(t, [...NEEDED, 'pg', '@types/pg', 'mongodb', 'drizzle-orm'], { ours: [...OURS] })
    app.write(file, SOURCE)
    app.write(file.replace('app', 'drizzle'), DRIZZLE)
    app.write(file.replace('app', 'mongo'), MONGO)
    // An ES module beside CommonJS.
    if (file.endsWith('.cts')) app.write('more.ts', MORE)
    // Drizzle's own declarations do not bear to be checked where other databases are missing.
    t.equal(await app.check({ ...options, skipLibCheck: true }), '')
  })
}

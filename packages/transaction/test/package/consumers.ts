/** What the shorter examples of the README take for granted. */
export const prelude = `import Fastify, { type FastifyInstance } from 'fastify'
import { MongoClient } from 'mongodb'
declare const app: FastifyInstance
declare const client: MongoClient
`

/** A TypeScript app that says everything right. */
export const right = `import Fastify from 'fastify'
import pg from 'pg'
import transaction, { mapError, TransactionTimeoutError, type RouteTransactionOptions, type Transaction } from 'fastify-transaction'

const app = Fastify()
await app.register(transaction, { pool: new pg.Pool(), methods: ['POST'], defaults: { deadline: 5000 }, commitTimeout: 1000 })
const options: RouteTransactionOptions = {
  store: 'sql', isolationLevel: 'serializable', accessMode: 'read only', deferrable: true, retries: 3, deadline: 1, statementTimeout: 1, lockTimeout: 1,
  idleInTransactionTimeout: 1, transactionTimeout: 1, stream: false, clientAbort: 'continue', settings: (request) => ({ role: request.method }), crossStore: 'outbox'
}
app.get('/a', { config: { transaction: options } }, async () => ({}))
app.get('/b', { config: { transaction: false } }, async () => ({}))
app.get('/c', { config: { transaction: 'statement' } }, async (request) => {
  const { rows } = await request.transaction.query<{ id: number }>({ text: 'select 1 as id', values: [] })
  const id: number | undefined = rows[0]?.id
  request.transaction.afterCommit(() => { console.log(id) })
  request.transaction.beforeReply(() => ({ status: 201, headers: { location: '/c/1' } }))
  if (request.transaction.state === 'open' && request.transaction.attempt > 1) request.transaction.setRollbackOnly()
  await request.transaction.commit()
  return { id, url: request.url }
})
const count: number = await app.transaction(async (transaction: Transaction) => (await transaction.query('select 1')).rows.length, { name: 'count', settings: { role: 'x' } })
const status: number = mapError(new TransactionTimeoutError('a', count))?.status ?? 500
console.log(status)
`

/** A TypeScript app in which every mistake is expected to be one. */
export const wrong = `import Fastify from 'fastify'
import pg from 'pg'
import transaction, { type RouteTransactionOptions } from 'fastify-transaction'

const app = Fastify()
const pool = new pg.Pool()
const handler = async () => ({})
// @ts-expect-error not an option of the plugin
await app.register(transaction, { pool, timeout: 5 })
// @ts-expect-error methods are a list
await app.register(transaction, { pool, methods: 'POST' })
// @ts-expect-error milliseconds are a number
await app.register(transaction, { pool, checkoutTimeout: '3s' })
// @ts-expect-error not an option of a route
app.get('/a', { config: { transaction: { isolation: 'serializable' } satisfies RouteTransactionOptions } }, handler)
// @ts-expect-error no such level
app.get('/b', { config: { transaction: { isolationLevel: 'chaos' } } }, handler)
// @ts-expect-error no such store
app.get('/c', { config: { transaction: { store: 'redis' } } }, handler)
// @ts-expect-error no such mode
app.get('/d', { config: { transaction: 'yes' } }, handler)
// @ts-expect-error settings is a function of the request
app.get('/e', { config: { transaction: { settings: { role: 'x' } } } }, handler)
// @ts-expect-error values are strings
app.get('/f', { config: { transaction: { settings: () => ({ role: 1 }) } } }, handler)
// @ts-expect-error settings must return at once
app.get('/h', { config: { transaction: { settings: async () => ({ role: 'x' }) } } }, handler)
// @ts-expect-error of the plugin's defaults too
await app.register(transaction, { pool, defaults: { settings: async () => ({ role: 'x' }) } })
// @ts-expect-error an option of routes, spelt right
await app.register(transaction, { pool, defaults: { retires: 3 } })
// @ts-expect-error values, not a function
await app.transaction(async () => 1, { settings: () => ({ role: 'x' }) })
// @ts-expect-error only in a route
await app.transaction(async () => 1, { stream: true })
app.get('/g', { config: { transaction: true } }, async (request) => {
  // @ts-expect-error nobody has said what request.db is
  request.db.query('select 1')
  // @ts-expect-error a function, not what it returns
  request.transaction.beforeReply({ status: 201 })
  // @ts-expect-error the reply decides about the state
  request.transaction.state = 'committed'
  // @ts-expect-error a callback, not a promise
  request.transaction.afterCommit(Promise.resolve())
  // @ts-expect-error no such state
  return request.transaction.state === 'done'
})
`

/** CommonJS: Node loads the module for it. */
export const commonJs = `const Fastify = require('fastify')
const pg = require('pg')
const transaction = require('fastify-transaction').default

const pool = new pg.Pool({ connectionString: process.argv[2] })
const app = Fastify()
app.register(transaction, { pool })
app.after(() => {
  app.post('/', { config: { transaction: true } }, async (request) => (await request.transaction.query('select count(*)::int as n from orders')).rows[0])
})
app.inject({ method: 'POST', url: '/' }).then(async (reply) => {
  console.log(reply.payload)
  await app.close()
  await pool.end()
})
`

// An app that stops at a step of a commit; started by recovery.test.ts. `kill` ends it there, `stop` freezes it.
import diagnostics from 'node:diagnostics_channel'
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import transaction from '../../src/index.ts'
import { addRoutes } from './routes.ts'

const [sqlUrl = '', mongoUrl = '', database = '', where = '', how = ''] = process.argv.slice(2)
const client = await new MongoClient(mongoUrl, { w: 'majority' }).connect()
const app = Fastify()
const pool = new pg.Pool({ connectionString: sqlUrl, max: 5 })
await app.register(transaction, { pool, mongo: { client, db: client.db(database) } })
addRoutes(app)
await app.ready()
diagnostics.subscribe('fastify-transaction.two-phase', (message) => {
  if ((message as { step: string }).step === where) process.kill(process.pid, how === 'stop' ? 'SIGSTOP' : 'SIGKILL')
})
const { statusCode } = await app.inject({ method: 'POST', url: '/both/1' })
process.send?.(statusCode)

import { randomBytes } from 'node:crypto'
import { startEmbedded } from 'dev-databases'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { MongoClient, type Db, type Document, type MongoClientOptions } from 'mongodb'
import type { Test } from 'tap'
import transaction, { type RouteTransactionOptions, type TransactionPluginOptions } from '../../src/index.ts'
import { newFolder } from '../../../../test/folder.ts'
import { sendTo, comesTrue, type Send } from '../harness.ts'

/** A mongod of this file's own: fail points and the lifetime limit hold for a whole server. */
export interface Server {
  url: string
  pid: number
  /** A connection of the test's own, never of the app. */
  admin: MongoClient
}

export async function mongod (t: Test): Promise<Server> {
  const dataDir = newFolder(t)
  const servers = await startEmbedded({
    dataDir,
    postgres: false,
    mongodb: true,
    mongodbFlags: ['--setParameter', 'enableTestCommands=1']
  })
  t.teardown(() => servers.stop())
  const { mongodb } = servers
  if (mongodb === undefined || mongodb.how === 'missing') throw new Error(mongodb?.reason.join('\n') ?? 'no mongod')
  const admin = await new MongoClient(mongodb.adminUrl, { appName: 'test', w: 'majority' }).connect()
  t.teardown(() => admin.close())
  // MongoDB's own default: a slow machine must not end what a test holds open.
  await admin.db('admin').command({ setParameter: 1, transactionLifetimeLimitSeconds: 60 })
  return { url: mongodb.adminUrl, pid: mongodb.pid, admin }
}

/** Connects a client whose bounds are short: on a busy machine the first attempts may exceed them. */
export async function connected (client: MongoClient): Promise<MongoClient> {
  const answers = () =>
    client.connect().then(() => client.db('admin').command({ ping: 1 })).then(() => true, () => false)
  if (!await comesTrue(answers)) throw new Error('The client could not be connected')
  return client
}

/** Documents of these tests. */
export interface Item {
  _id: number
  note?: string
  n?: number
}

export interface SetupOptions {
  server: Server
  client?: MongoClientOptions
  fastify?: FastifyServerOptions
  plugin?: Partial<TransactionPluginOptions>
  /** Runs before the plugin is registered. */
  before?: (app: FastifyInstance) => unknown
  routes: (app: FastifyInstance, db: Db, client: MongoClient) => unknown
}

export interface Setup {
  app: FastifyInstance
  client: MongoClient
  /** The app's database over the test's own connection. */
  db: Db
  /** What is stored in `item`, ids in order. */
  ids: () => Promise<number[]>
  send: Send
  /** Makes commands of the app's client fail on the server; undone when the test ends. */
  failCommand: (commands: string[], data: Document, times?: number) => Promise<void>
  /** Transactions that the app has open on the server. */
  openTransactions: () => Promise<number>
}

/**
 * A bare Fastify with only the plugin, listening, on an empty database. When the test ends no transaction may be open
 * on the server, and the next request must work.
 */
export async function setup (t: Test, options: SetupOptions): Promise<Setup> {
  const { admin, url } = options.server
  const name = `mongo_${randomBytes(6).toString('hex')}`
  const db = admin.db(name)
  await db.collection('item').createIndex({ note: 1 }, {
    unique: true,
    partialFilterExpression: { note: { $exists: true } }
  })
  const client = await new MongoClient(url, {
    appName: name,
    w: 'majority',
    monitorCommands: true,
    serverSelectionTimeoutMS: 2000,
    ...options.client
  }).connect()
  const app = Fastify({ forceCloseConnections: true, ...options.fastify })
  await options.before?.(app)
  await app.register(transaction, { mongo: { client, db: client.db(name) }, ...options.plugin })
  await options.routes(app, client.db(name), client)
  app.post('/after-the-test', onMongo, async function next (request) {
    return await request.mongo.collection('after').insertOne({})
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const openTransactions = () => countTransactions(admin, name)
  t.teardown(async () => {
    try {
      await admin.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })
      if (!await comesTrue(async () => await openTransactions() === 0)) {
        throw new Error('The test left a transaction open')
      }
      if (!app.server.listening) return
      const { status } = await sendTo(origin)('POST', '/after-the-test')
      if (status !== 200 || await openTransactions() > 0) {
        throw new Error(`The request after the test was answered ${status}`)
      }
    } finally {
      await app.close()
      await client.close()
      await db.dropDatabase()
    }
  })
  return {
    app,
    client,
    db,
    openTransactions,
    send: sendTo(origin),
    ids: async () => (await db.collection<Item>('item').find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id),
    async failCommand (failCommands, data, times = 1) {
      const mode = times === Infinity ? 'alwaysOn' : { times }
      await admin.db('admin').command({
        configureFailPoint: 'failCommand',
        mode,
        data: { failCommands, appName: name, ...data }
      })
    }
  }
}

async function countTransactions (admin: MongoClient, appName: string): Promise<number> {
  const found = await admin.db('admin').aggregate([
    { $currentOp: { allUsers: true, idleSessions: true } },
    { $match: { appName, 'transaction.parameters.autocommit': false } }
  ]).toArray()
  return found.length
}

/** Route options with a MongoDB transaction. */
export function mongoRoute (
  options: RouteTransactionOptions = {}
): { config: { transaction: RouteTransactionOptions } } {
  return { config: { transaction: { store: 'mongo', ...options } } }
}

export const onMongo = mongoRoute()

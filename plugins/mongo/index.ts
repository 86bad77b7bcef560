import cluster from 'node:cluster'
import { hostname } from 'node:os'
import fastifyMongo from '@fastify/mongodb'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { MongoClient, type Db } from 'mongodb'
import { connectOrKeepTrying } from './connect.ts'
import { MongoPool } from './pool.ts'
import { findRefused, prepareDatabase } from './prepare.ts'
import { MongoState } from './state.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether MongoDB answers: `state` is up, degraded or down; `assertUp()` throws DatabaseDownError (503). */
    mongoState: MongoState
    /** Counts of the client's connections; undefined for a double. */
    mongoPool: MongoPool | undefined
  }
}

const NOWHERE = 'mongodb://127.0.0.1:1'

const OPTIONS = {
  maxPoolSize: 20,
  maxIdleTimeMS: 60_000,
  waitQueueTimeoutMS: 2000,
  serverSelectionTimeoutMS: 2000,
  connectTimeoutMS: 2000,
  socketTimeoutMS: 10_000,
  heartbeatFrequencyMS: 2000,
  readConcernLevel: 'majority',
  w: 'majority',
  journal: true,
  ignoreUndefined: true
} as const

/**
 * Decorates `app.mongo` through @fastify/mongodb with a client of our own: the service starts without MongoDB, keeps
 * connecting, and `app.mongo.db.collection()` throws DatabaseDownError at once while it is down.
 */
export default fp(async function mongo (app) {
  const state = new MongoState((now) => {
    app.log[now === 'up' ? 'info' : 'warn']({ store: 'mongodb', state: now }, 'MongoDB changed state')
  })
  app.decorate('mongoState', state)
  if (app.hasDecorator('mongo')) { // a test's double
    state.prepared(true)
    app.decorate('mongoPool', undefined)
    return
  }
  const { MONGODB_URL, MONGODB_DATABASE } = app.config
  const client = open(MONGODB_URL ?? NOWHERE, app)
  app.decorate('mongoPool', new MongoPool(client))
  await app.register(fastifyMongo, { client, database: MONGODB_DATABASE })
  guard(mongoDatabase(app), state)
  const stopping = new AbortController()
  app.addHook('onClose', async function closeMongo () {
    stopping.abort()
    state.stop()
    await client.close() // @fastify/mongodb does not close a client that it was given
  })
  if (app.offline || MONGODB_URL === undefined) return
  state.watch(client)
  await connectOrKeepTrying(
    async () => {
      await client.connect()
      const changed = await prepareDatabase(client.db(MONGODB_DATABASE))
      state.prepared()
      for (const name of changed) void reportRefused(app, client.db(MONGODB_DATABASE), name)
    },
    app.log,
    stopping.signal
  )
}, { name: 'mongo', dependencies: ['config', 'tracing'], fastify: '5.x' })

/** Nobody waits for it: it reads a collection. Names ids, no values. */
async function reportRefused (app: FastifyInstance, db: Db, collection: string): Promise<void> {
  try {
    const ids = await findRefused(db, collection)
    if (ids.length === 0) return
    app.log.warn(
      { collection, ids },
      'documents of an earlier version do not fit the validator: correct or delete them'
    )
  } catch (error) {
    app.log.info({ err: error, collection }, 'documents of an earlier version were not compared with the validator')
  }
}

function open (url: string, app: FastifyInstance): MongoClient {
  const { DATABASE_ECHO, NODE_ENV } = app.config
  // Outside production the transaction plugin watches for operations that forget their session.
  const monitorCommands = DATABASE_ECHO || NODE_ENV !== 'production' || app.tracing !== undefined
  const named = /[?&]appName=/i.test(url) ? {} : { appName: mongoInstance(app) ?? 'tandem' }
  const client = new MongoClient(url, { ...OPTIONS, ...named, monitorCommands })
  if (DATABASE_ECHO) echo(client, app)
  return client
}

/**
 * The name that this instance alone connects to MongoDB under, the same from start to start: what a killed run left
 * open is found by it. Undefined where no server is used, MONGODB_URL chooses the name, or nothing tells this process from
 * others: it takes any free port, or shares its port with other processes of node:cluster.
 */
export function mongoInstance ({ config, offline, doubles }: FastifyInstance): string | undefined {
  const { MONGODB_URL, PORT, INSTANCE_NAME } = config
  if (offline || doubles.mongo || MONGODB_URL === undefined || /[?&]appName=/i.test(MONGODB_URL)) return undefined
  if (INSTANCE_NAME !== undefined) return `tandem ${INSTANCE_NAME}`
  return PORT === 0 || cluster.isWorker ? undefined : `tandem ${hostname()}:${PORT}`
}

/**
 * The service's MongoDB database.
 * @param app an app whose mongo plugin is loaded
 * @throws Error when a double without a database was given
 */
export function mongoDatabase (app: FastifyInstance): Db {
  const { db } = app.mongo
  if (db === undefined) throw new Error('app.mongo has no database')
  return db
}

// Repositories take their collection for each request, so this is the one place that all of them pass.
function guard (db: Db, state: MongoState): void {
  const collection = db.collection.bind(db)
  db.collection = (...args) => {
    state.assertUp()
    return collection(...args)
  }
}

function echo (client: MongoClient, app: FastifyInstance): void {
  client.on('commandSucceeded', ({ commandName, databaseName, duration }) => {
    app.log.info({ store: 'mongodb', command: commandName, database: databaseName, ms: duration }, 'command')
  })
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions,
  type RouteOptions
} from 'fastify'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import type { Scenario, Fixture, Step } from './scenario.ts'
import type { MongoStore, Rows, System } from './system.ts'

const TABLES = ['item', 'parent', 'child', 'doctor', 'slow']

/**
 * Tables of the scenarios: `slow` sleeps in COMMIT, `child` finds a missing parent only there. The last one is what this
 * plugin asks for where both stores change.
 */
export const SCHEMA = `
  create table item (id integer primary key);
  create table parent (id integer primary key);
  create table child (id integer primary key, parent_id integer references parent deferrable initially deferred);
  create table doctor (id integer primary key, on_call boolean not null);
  create table slow (id integer primary key, milliseconds integer not null);
  create function nap() returns trigger language plpgsql as 'begin perform pg_sleep(new.milliseconds / 1000.0); return null; end';
  create constraint trigger nap after insert on slow deferrable initially deferred for each row execute function nap();
  create table two_phase_commits (gid text primary key, at timestamptz not null default clock_timestamp(), confirmed_at timestamptz);`

/** Where a worker plays. */
export interface Stores {
  admin: pg.Pool
  databaseUrl: string
  /** Empty: there is none. */
  mongodbUrl: string
}

/** Counted while the app runs, without a listener that would keep the process alive. */
export interface Recorder {
  /** COMMITs that the server has answered as such. */
  commits: number
  /** Connections handed out by the pool. */
  checkouts: number
  /** `commits` when the first byte of each reply left, in the order of the replies. */
  firstBytes: Array<{ head: string; commits: number }>
  /** Replies whose socket has closed. */
  closed: number
  /** Sockets of clients that the server has seen close. */
  disconnected: number
}

/** An app with one system and the routes of one scenario, listening, on empty tables. */
export interface Setup {
  app: FastifyInstance
  pool: pg.Pool
  admin: pg.Pool
  mongo: MongoStore | undefined
  origin: string
  recorder: Recorder
  step: Fixture['step']
  end: () => Promise<void>
}

/** Sets a scenario up. */
export async function openSetup (system: System, scenario: Scenario, stores: Stores): Promise<Setup> {
  const { admin, databaseUrl } = stores
  // What a process that crashed has left may still hold locks.
  await admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> $1 and pid <> pg_backend_pid()',
    ['scenarios']
  )
  await admin.query(`truncate ${TABLES.join()}`)
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'app',
    max: 5,
    connectionTimeoutMillis: 3000,
    ...scenario.pool
  })
  const recorder: Recorder = { commits: 0, checkouts: 0, firstBytes: [], closed: 0, disconnected: 0 }
  const clients = watchPool(pool, recorder)
  const protocol = scenario.isHttp2 === true ? { http2: true } : {}
  const app = Fastify({ forceCloseConnections: true, ...scenario.server, ...protocol } as FastifyServerOptions)
  watchReplies(app, recorder)
  const step = steps()
  const mongo = scenario.isInBoth === true ? await openMongo(stores) : undefined
  const played = mongo === undefined ? system : inBoth(system, mongo)
  const registered = played.register(app, pool, scenario.wishes ?? {})
  if (scenario.isUnawaited !== true) await registered
  const fixture = createFixture(played, app, step)
  scenario.routes(fixture)
  fixture.route(async (request) => (await fixture.query(request, 'select 1')).rows, { url: '/next' })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const end = async (): Promise<void> => {
    await endSetup(app, pool, clients)
    await mongo?.db.dropDatabase()
    await mongo?.client.close()
  }
  return { app, pool, admin, mongo, origin, recorder, step, end }
}

/** A database of the worker's own, named as its other one. */
async function openMongo ({ databaseUrl, mongodbUrl }: Stores): Promise<MongoStore> {
  const client = await new MongoClient(mongodbUrl, { w: 'majority', serverSelectionTimeoutMS: 5000 }).connect()
  const db = client.db(new URL(databaseUrl).pathname.slice(1))
  await db.dropDatabase()
  await db.createCollection('item')
  return { client, db }
}

function inBoth (system: System, mongo: MongoStore): System {
  const { both } = system
  if (both === undefined) throw new Error(`${system.name} does not say how it writes in both stores`)
  return { ...system, config: both.config, register: (app, pool) => both.register(app, pool, mongo) }
}

type Handle = ReturnType<NonNullable<System['handle']>>

function getHandle (system: System, request: FastifyRequest): Handle {
  return system.handle?.(request) ?? { query: (text, own) => system.query(request, text, own) }
}

function createFixture (system: System, app: FastifyInstance, step: Fixture['step']): Fixture {
  const query = (...[request, text]: Parameters<Fixture['query']>): Promise<Rows> => system.query(request, text, [])
  const add = (
    own: Partial<RouteOptions>,
    handler: RouteOptions['handler'],
    options: Partial<RouteOptions> = {}
  ): void => {
    app.route({ method: 'POST', url: '/', ...own, ...options, handler })
  }
  return {
    app,
    query,
    step,
    handle (request) {
      const handle = getHandle(system, request)
      return { insert: (id) => handle.query('insert into item values ($1)', [id]) }
    },
    commit: (request) => system.commit?.(request) ?? query(request, 'commit'),
    tenantRoute (tenant, handler) {
      if (system.tenant !== undefined) return add(system.tenant(tenant), handler)
      add(system.config ?? {}, async (request, reply) => {
        await system.query(request, "select set_config('app.tenant', $1, true)", [await tenant(request)])
        return await handler(request, reply)
      })
    },
    insert: (request, id) => system.query(request, 'insert into item values ($1)', [id]),
    insertDocument: async (request, id) => system.both?.insert(request, id),
    route: (handler, options) => {
      add(system.config ?? {}, handler, options)
    },
    retriedRoute: (handler, options) => {
      if (system.retried !== undefined) return add(system.retried, handler, options)
      add(system.config ?? {}, async (request, reply) => {
        await query(request, 'set transaction isolation level serializable')
        return await handler(request, reply)
      }, options)
    },
    close: () => app.close()
  }
}

function watchPool (pool: pg.Pool, recorder: Recorder): Set<pg.PoolClient> {
  const clients = new Set<pg.PoolClient>()
  pool.on('acquire', () => {
    recorder.checkouts++
  })
  pool.on('connect', (client) => {
    clients.add(client)
    const { connection } = client as unknown as { connection: EventEmitter }
    connection.prependListener('commandComplete', ({ text }: { text: string }) => {
      if (text === 'COMMIT') recorder.commits++
    })
  })
  return clients
}

/** Every request has a socket of its own, so what is written to it first is the head of its reply. */
function watchReplies (app: FastifyInstance, recorder: Recorder): void {
  app.server.on('connection', (socket: Socket) => {
    socket.on('close', () => {
      recorder.disconnected++
    })
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    let isFirst = true
    Object.assign(socket, {
      write (...args: unknown[]) {
        const head = String(args[0]).slice(9, 12)
        if (isFirst && head !== '100') {
          isFirst = false
          recorder.firstBytes.push({ head, commits: recorder.commits })
        }
        return write(...args)
      }
    })
  })
  app.server.on('request', (_, response: EventEmitter) => {
    response.on('close', () => {
      recorder.closed++
    })
  })
}

function steps (): Fixture['step'] {
  const known = new Map<string, Step>()
  return function step (name) {
    const existing = known.get(name)
    if (existing !== undefined) return existing
    let reached = (): void => {}
    const wait = Promise.race([
      new Promise<void>((resolve) => {
        reached = resolve
      }),
      sleep(5000, undefined, { ref: false })
    ])
    const made = { reached, wait }
    known.set(name, made)
    return made
  }
}

/** Ends an app even if it would never end by itself: a leaked connection keeps a pool from ending. */
async function endSetup (app: FastifyInstance, pool: pg.Pool, clients: Set<pg.PoolClient>): Promise<void> {
  const ignore = (): void => {/* the verdict is given */}
  pool.on('error', ignore)
  for (const client of clients) client.on('error', ignore)
  await Promise.race([app.close().catch(ignore), sleep(300)])
  if (!pool.ending) pool.end().catch(ignore)
  for (const client of clients) (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy()
}

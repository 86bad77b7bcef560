import { setTimeout as sleep } from 'node:timers/promises'
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions,
  type RouteOptions
} from 'fastify'
import pg from 'pg'
import type { Scenario, Scene, Step } from './scenario.ts'
import type { Rows, Subject } from './system.ts'

const TABLES = ['item', 'parent', 'child', 'doctor', 'slow']

/** Tables of the scenarios: `slow` sleeps in COMMIT, `child` finds a missing parent only there. */
export const SCHEMA = `
  create table item (id integer primary key);
  create table parent (id integer primary key);
  create table child (id integer primary key, parent_id integer references parent deferrable initially deferred);
  create table doctor (id integer primary key, on_call boolean not null);
  create table slow (id integer primary key, milliseconds integer not null);
  create function nap() returns trigger language plpgsql as 'begin perform pg_sleep(new.milliseconds / 1000.0); return null; end';
  create constraint trigger nap after insert on slow deferrable initially deferred for each row execute function nap();`

/** Counted while the app runs, without a listener that would keep a subject alive. */
export interface Witness {
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

/** An app with one subject and the routes of one scenario, listening, on empty tables. */
export interface Stage {
  app: FastifyInstance
  pool: pg.Pool
  admin: pg.Pool
  origin: string
  witness: Witness
  step: Scene['step']
  end: () => Promise<void>
}

/** Sets a scenario up. */
export async function openStage (
  subject: Subject,
  scenario: Scenario,
  admin: pg.Pool,
  databaseUrl: string
): Promise<Stage> {
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
  const witness: Witness = { commits: 0, checkouts: 0, firstBytes: [], closed: 0, disconnected: 0 }
  const clients = watchPool(pool, witness)
  const protocol = scenario.isHttp2 === true ? { http2: true } : {}
  const app = Fastify({ forceCloseConnections: true, ...scenario.server, ...protocol } as FastifyServerOptions)
  watchReplies(app, witness)
  const step = steps()
  const registered = subject.register(app, pool, scenario.wishes ?? {})
  if (scenario.isUnawaited !== true) await registered
  const scene = createScene(subject, app, step)
  scenario.routes(scene)
  scene.route(async (request) => (await scene.query(request, 'select 1')).rows, { url: '/next' })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, pool, admin, origin, witness, step, end: () => endStage(app, pool, clients) }
}

type Handle = ReturnType<NonNullable<Subject['handle']>>

function getHandle (subject: Subject, request: FastifyRequest): Handle {
  return subject.handle?.(request) ?? { query: (text, own) => subject.query(request, text, own) }
}

function createScene (subject: Subject, app: FastifyInstance, step: Scene['step']): Scene {
  const query = (...[request, text]: Parameters<Scene['query']>): Promise<Rows> => subject.query(request, text, [])
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
      const handle = getHandle(subject, request)
      return { insert: (id) => handle.query('insert into item values ($1)', [id]) }
    },
    commit: (request) => subject.commit?.(request) ?? query(request, 'commit'),
    tenantRoute (tenant, handler) {
      if (subject.tenant !== undefined) return add(subject.tenant(tenant), handler)
      add(subject.config ?? {}, async (request, reply) => {
        await subject.query(request, "select set_config('app.tenant', $1, true)", [await tenant(request)])
        return await handler(request, reply)
      })
    },
    insert: (request, id) => subject.query(request, 'insert into item values ($1)', [id]),
    route: (handler, options) => {
      add(subject.config ?? {}, handler, options)
    },
    retriedRoute: (handler, options) => {
      if (subject.retried !== undefined) return add(subject.retried, handler, options)
      add(subject.config ?? {}, async (request, reply) => {
        await query(request, 'set transaction isolation level serializable')
        return await handler(request, reply)
      }, options)
    },
    close: () => app.close()
  }
}

function watchPool (pool: pg.Pool, witness: Witness): Set<pg.PoolClient> {
  const clients = new Set<pg.PoolClient>()
  pool.on('acquire', () => {
    witness.checkouts++
  })
  pool.on('connect', (client) => {
    clients.add(client)
    const { connection } = client as unknown as { connection: EventEmitter }
    connection.prependListener('commandComplete', ({ text }: { text: string }) => {
      if (text === 'COMMIT') witness.commits++
    })
  })
  return clients
}

/** Every request has a socket of its own, so what is written to it first is the head of its reply. */
function watchReplies (app: FastifyInstance, witness: Witness): void {
  app.server.on('connection', (socket: Socket) => {
    socket.on('close', () => {
      witness.disconnected++
    })
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    let isFirst = true
    Object.assign(socket, {
      write (...args: unknown[]) {
        const head = String(args[0]).slice(9, 12)
        if (isFirst && head !== '100') {
          isFirst = false
          witness.firstBytes.push({ head, commits: witness.commits })
        }
        return write(...args)
      }
    })
  })
  app.server.on('request', (_, response: EventEmitter) => {
    response.on('close', () => {
      witness.closed++
    })
  })
}

function steps (): Scene['step'] {
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
async function endStage (app: FastifyInstance, pool: pg.Pool, clients: Set<pg.PoolClient>): Promise<void> {
  const ignore = (): void => {/* the verdict is given */}
  pool.on('error', ignore)
  for (const client of clients) client.on('error', ignore)
  await Promise.race([app.close().catch(ignore), sleep(300)])
  if (!pool.ending) pool.end().catch(ignore)
  for (const client of clients) (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy()
}

import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import pg from 'pg'
import { sendTo, until, type Answer } from './http.ts'
import type { Design, Finding, Ground, Scenario } from './types.ts'

/** How long a scenario may take before it counts as hanging, and how long connections may take to come back. Milliseconds. */
const longest = 8000
const patience = 1500

const tables = `
  drop table if exists item, child, parent, doctor, slow cascade;
  create table item (id integer primary key);
  create table parent (id integer primary key);
  create table child (id integer primary key, parent_id integer references parent deferrable initially deferred);
  create table doctor (id integer primary key, on_call boolean not null);
  create table slow (id integer primary key, milliseconds integer not null);
  create or replace function nap() returns trigger language plpgsql as 'begin perform pg_sleep(new.milliseconds / 1000.0); return null; end';
  create constraint trigger nap after insert on slow deferrable initially deferred for each row execute function nap();`

/** Runs one scenario on a fresh app and looks at what it leaves behind. `end` clears away, and may break what the design left broken. */
export async function play (design: Design, scenario: Scenario, url: string): Promise<{ findings: Finding[], end: () => Promise<void> }> {
  const admin = new pg.Pool({ connectionString: url, max: 3, application_name: 'scenarios' })
  await admin.query(tables)
  const app = Fastify({ forceCloseConnections: true, ...scenario.fastify })
  const pool = await design.register(app, { connectionString: url, max: 5, application_name: 'app', connectionTimeoutMillis: 2000, ...scenario.pool })
  const ground = await prepare(design, scenario, app, pool, admin)
  const findings = await within(scenario.run(ground), longest)
  findings.push(...await leftBehind(ground, scenario))
  return { findings: [...new Set(findings)], end: async () => { await end(ground) } }
}

async function prepare (design: Design, scenario: Scenario, app: FastifyInstance, pool: pg.Pool, admin: pg.Pool): Promise<Ground> {
  const events: string[] = []
  const clients = record(pool, events)
  const query: Design['query'] = (request, text, values) => design.query(request, text, values)
  const ground: Ground = {
    app, pool, admin, clients, events, query,
    origin: '',
    send: () => { throw new Error('the app does not listen yet') },
    insert: (request: FastifyRequest, id: number) => query(request, 'insert into item values ($1)', [id]),
    ids: async () => (await admin.query<{ id: number }>('select id from item order by id')).rows.map(({ id }) => id),
    running: async (text) => {
      const find = async () => (await admin.query<{ pid: number }>("select pid from pg_stat_activity where datname = current_database() and state = 'active' and query ilike $1 and pid <> pg_backend_pid()", [`%${text}%`])).rows[0]?.pid
      await until(async () => await find() !== undefined)
      return await find()
    }
  }
  scenario.routes(ground, design.route)
  app.post('/next', design.route({}), async (request) => (await query(request, 'select 1 as one')).rows)
  ground.origin = await app.listen({ host: '127.0.0.1', port: 0 })
  ground.send = sendTo(ground.origin)
  app.server.on('connection', (socket) => {
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    Object.assign(socket, { write: (...args: unknown[]) => { events.push('byte'); return write(...args) } })
  })
  return ground
}

/** Writes down when COMMIT is sent and answered, whoever sends it. */
function record (pool: pg.Pool, events: string[]): pg.PoolClient[] {
  const clients: pg.PoolClient[] = []
  pool.on('connect', (client) => {
    clients.push(client)
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const result = query(...args)
        if (typeof args[0] === 'string' && /^\s*commit\b/i.test(args[0])) {
          events.push('COMMIT')
          Promise.resolve(result).then(() => { events.push('COMMIT answered') }, () => {})
        }
        return result
      }
    })
  })
  return clients
}

/** Findings of what a client was told against what is stored. */
export function judge (answer: Answer | undefined, expectedStatus: number | undefined, isStored: boolean): Finding[] {
  const findings: Finding[] = []
  const isSuccess = answer !== undefined && answer.status < 400
  if (isSuccess && !isStored) findings.push('lie')
  if (!isSuccess && isStored) findings.push('kept')
  if (findings.length === 0 && answer?.status !== expectedStatus) findings.push('wrong')
  return findings
}

/** `early` when a byte was written before the COMMIT was answered. */
export function wasEarly ({ events }: Ground): Finding[] {
  const byte = events.indexOf('byte')
  const answered = events.indexOf('COMMIT answered')
  return byte !== -1 && answered !== -1 && byte < answered ? ['early'] : []
}

async function leftBehind ({ admin, pool, send }: Ground, { closes = false }: Scenario): Promise<Finding[]> {
  const isClean = async () => {
    const { rowCount } = await admin.query("select 1 from pg_stat_activity where datname = current_database() and application_name <> 'scenarios' and state <> 'idle'")
    return rowCount === 0 && pool.totalCount === pool.idleCount && pool.waitingCount === 0
  }
  if (!await until(isClean, patience)) return ['leak']
  if (closes) return []
  const next = await Promise.race([send('POST', '/next').catch(() => undefined), pause(patience)])
  return next?.status === 200 ? [] : ['leak']
}

async function within (run: Promise<Finding[]>, time: number): Promise<Finding[]> {
  return await Promise.race([run, pause(time).then((): Finding[] => ['hang'])])
}

/** A leaked connection would keep the app and the pool from closing, so its session is ended first. */
async function end ({ admin, app, pool, clients }: Ground): Promise<void> {
  pool.on('error', () => {})
  for (const client of clients) client.on('error', () => {})
  await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'scenarios'")
  await Promise.race([app.close().then(() => pool.ended || pool.ending ? undefined : pool.end()), pause(500)])
  await admin.end()
}

function pause (time: number): Promise<undefined> {
  return new Promise((resolve) => { setTimeout(() => { resolve(undefined) }, time).unref() })
}

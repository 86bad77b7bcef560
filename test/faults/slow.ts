// The faults that take long, as tap tests; run by npm run faults, which counts the sub-tests by their id.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { noSmallDisk } from '../../scripts/ledger/small-disk.ts'
import { readRun } from '../databases/run.ts'
import { startServer } from '../process.ts'
import { build, databases } from '../helper.ts'
import { until } from '../until.ts'
import { agree, ownServer, writers } from './servers.ts'
import { isWell, newEmail } from './well.ts'
import { fullDisk } from './disk.ts'
import { killRounds } from './kills.ts'
import { hotRow, idleReaders } from './floods.ts'
import { newPrimary } from './primary.ts'

const rounds = Number(process.env['FAULT_ROUNDS'] ?? 1000)
const requests = Number(process.env['FAULT_REQUESTS'] ?? 100_000)

const json = { 'content-type': 'application/json' }
const sender = (origin: string) => async (method: 'GET' | 'POST', url: string, body?: object) => {
  const reply = await fetch(origin + url, { method, ...(body && { headers: json, body: JSON.stringify(body) }) })
  await reply.arrayBuffer()
  return reply.status
}

async function production (): Promise<NodeJS.ProcessEnv & { DATABASE_URL: string }> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  return { NODE_ENV: 'production', DATABASE_URL: databaseUrl, MONGODB_URL: mongoUrl, MONGODB_DATABASE: mongoDatabase }
}

t.test('F23 oversell: 1,000 orders of 100 pieces', async (t) => {
  const app = await build(t, {
    // A busy machine may be slow; what is sold must be right all the same.
    settings: {
      DATABASE_LOCK_TIMEOUT_MS: 60_000,
      DATABASE_STATEMENT_TIMEOUT_MS: 70_000,
      DATABASE_TRANSACTION_TIMEOUT_MS: 80_000,
      HANDLER_TIMEOUT_MS: 120_000,
      DATABASE_POOL_TIMEOUT_MS: 120_000
    },
    plugins: async (app) => {
      await app.pg.query(
        'create table stock (id integer primary key, pieces integer not null check (pieces >= 0)); insert into stock values (1, 100)'
      )
      app.post('/buy', async (request, reply) => {
        const { rowCount } = await request.transaction.query(
          'update stock set pieces = pieces - 1 where id = 1 and pieces >= 1'
        )
        if (rowCount === 0) return await reply.code(409).send({})
        await request.transaction.query('insert into orders (user_id, total) values (1, 1)')
        return {}
      })
      // No guard: serializable and its retries, and the CHECK behind them.
      app.post(
        '/careless',
        { config: { transaction: { isolationLevel: 'serializable', retries: 5 } } },
        async (request, reply) => {
          const { rows } = await request.transaction.query<{ pieces: number }>('select pieces from stock where id = 1')
          if (Number(rows[0]?.pieces) < 1) return await reply.code(409).send({})
          await request.transaction.query('update stock set pieces = $1 where id = 1', [Number(rows[0]?.pieces) - 1])
          await request.transaction.query('insert into orders (user_id, total) values (1, 1)')
          return {}
        }
      )
    }
  })
  await app.inject({ method: 'POST', url: '/users', payload: { name: 'Ada', email: newEmail() } })
  for (const url of ['/buy', '/careless']) {
    await app.pg.query('update stock set pieces = 100; delete from orders')
    const answers = await Promise.all(Array.from({ length: 1000 }, () => app.inject({ method: 'POST', url })))
    const sold = answers.filter(({ statusCode }) => statusCode === 200).length
    const { rows } = await app.pg.query<{ pieces: number; orders: number }>(
      'select pieces, (select count(*)::int from orders) as orders from stock'
    )
    t.same(rows[0], { pieces: 100 - sold, orders: sold }, `${url}: ${sold} sold`)
    t.ok(
      answers.every(({ statusCode }) => [200, 409, 503].includes(statusCode)),
      `${url}: ${[...new Set(answers.map(({ statusCode }) => statusCode))].join()}`
    )
    if (url === '/buy') t.equal(sold, 100)
  }
})

t.test('F24 bank: transfers and readers while sessions are killed', async (t) => {
  const app = await build(t, {
    plugins: async (app) => {
      await app.pg.query(
        'create table account (id integer primary key, cents integer not null); insert into account select n, 1000 from generate_series(1, 10) n'
      )
      app.post('/transfer', { config: { transaction: { retries: 5 } } }, async (request) => {
        const [from, to] = request.body as [number, number]
        await request.transaction.query('update account set cents = cents - 1 where id = $1', [from])
        await request.transaction.query('update account set cents = cents + 1 where id = $1', [to])
        return {}
      })
    }
  })
  const killer = new pg.Client({ connectionString: String(app.config.DATABASE_URL), application_name: 'killer' })
  await killer.connect()
  let isOver = false
  const totals = new Set<number>()
  const statuses = new Map<number, number>()
  const loop = async (work: () => Promise<void>) => {
    while (!isOver) await work()
  }
  const account = () => 1 + Math.floor(Math.random() * 10)
  const all = [
    ...Array.from({ length: 8 }, () =>
      loop(async () => {
        const { statusCode } = await app.inject({ method: 'POST', url: '/transfer', payload: [account(), account()] })
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
      })),
    ...Array.from({ length: 2 }, () =>
      loop(async () => {
        const { rows } = await app.pg.query<{ total: number }>('select sum(cents)::int as total from account').catch(
          () => ({ rows: [] })
        )
        for (const { total } of rows) totals.add(total)
        await sleep(5)
      })),
    loop(async () => {
      await sleep(200)
      await killer.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'killer' order by random() limit 3"
      )
    })
  ]
  await sleep(15_000)
  isOver = true
  await Promise.all(all)
  await killer.end()
  t.same([...totals], [10_000], 'every reader saw the same total')
  t.ok([...statuses.keys()].every((status) => [200, 500, 503].includes(status)), JSON.stringify([...statuses]))
})

t.test('F8 PostgreSQL is away for 30 seconds, F49 and everybody retries when it is back', async (t) => {
  const server = await ownServer(t, 'postgres')
  const service = startServer(t, { ...await production(), DATABASE_URL: server.url, LOG_LEVEL: 'info' })
  const origin = await service.origin
  const { ledger, stop } = writers(t, () => origin, 100)
  const acked = () => ledger.filter(({ status }) => status === 201).length
  await until('writes are acknowledged', () => acked() > 200, 30_000)
  const rate = async () => {
    const [before, since] = [acked(), performance.now()]
    await sleep(3000)
    return Math.round((acked() - before) * 1000 / (performance.now() - since))
  }
  const normal = await rate()
  await server.down('SIGINT')
  await sleep(30_000)
  await server.up()
  await until('it is ready again', async () => (await fetch(`${origin}/readyz`)).status === 200, 30_000)
  // A busy machine has slow seconds of its own.
  await until(`it writes as much as before, ${normal} a second`, async () => await rate() >= normal * 0.8, 60_000)
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  const { rows } = await client.query<{ email: string }>('select email from users')
  await stop()
  const late = new Set(
    (await client.query<{ email: string }>('select email from users')).rows.map(({ email }) => email)
  )
  t.ok(rows.every(({ email }) => late.has(email)))
  agree(t, ledger, [...late])
  await client.end()
  await isWell(t, {
    databaseUrl: server.url,
    send: sender(origin),
    log: service.log,
    isAlive: () => service.child.exitCode === null
  })
})

t.test('F52 a hundred readers take nothing', idleReaders)
t.test('F58 two thousand write one row that a handler holds', hotRow)

t.test('F9 another PostgreSQL becomes primary', newPrimary)

t.test('F38 the disk of PostgreSQL is full', { skip: noSmallDisk() ?? false }, fullDisk)

t.test(`F28 F29 ${rounds} rounds of SIGKILL`, (t) => killRounds(t, rounds).then(() => {}))

t.test('F39 the clock jumps by 400 days', async (t) => {
  // Another clock for this process only, as a machine that slept or was set right would show it.
  const jump = 'data:text/javascript,' +
    encodeURIComponent(
      'const now = Date.now; let by = 0; Date.now = () => now() + by; process.on("message", (days) => { by = days * 86400000 })'
    )
  const env = await production()
  const service = startServer(t, env, ['--import', jump])
  const send = sender(await service.origin)
  for (const days of [400, -400, 0]) {
    service.child.send(days)
    for (let n = 0; n < 5; n++) {
      t.equal(await send('POST', '/users', { name: 'Ada', email: newEmail() }), 201)
      t.equal(await send('GET', '/users?limit=1'), 200)
      t.equal(await send('GET', '/posts?limit=1'), 200)
      await sleep(300)
    }
  }
  await isWell(t, {
    databaseUrl: env.DATABASE_URL,
    send,
    log: service.log,
    isAlive: () => service.child.exitCode === null
  })
})

t.test('F40 no file descriptor is left', async (t) => {
  const env = await production()
  const child = spawn('sh', [
    '-c',
    'ulimit -n 128 && exec "$0" "$@"',
    process.execPath,
    path.join(readRun().built, 'server.js')
  ], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_OPTIONS: '',
      HOST: '127.0.0.1',
      PORT: '0',
      ...env
    },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => {
    child.kill('SIGKILL')
  })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += String(chunk)
  })
  await until('it listens', () => /listening at http:\S+?:\d+/.test(said), 60_000)
  const origin = /listening at (http:\S+?:\d+)/.exec(said)?.[1] ?? ''
  const { port } = new URL(origin)
  const idle = Array.from({ length: 200 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
  await sleep(3000)
  t.equal(child.exitCode, null, 'it lives while nothing can be opened')
  for (const socket of idle) socket.destroy()
  await isWell(t, {
    databaseUrl: env.DATABASE_URL,
    send: async (...args) => await sender(origin)(...args).catch(() => 0),
    isAlive: () => child.exitCode === null
  }, 30_000)
  child.kill('SIGTERM')
  await once(child, 'exit')
})

t.test(`F41 ${requests} requests: duplicates, aborts, refusals`, async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  await app.pg.query("insert into users (name, email) values ('Ada', 'taken@example.com')")
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const memory: number[] = []
  const one = async (n: number) => {
    if (n % 20 === 0) {
      await app.inject({ method: 'POST', url: '/users', payload: { name: 'x', email: 'taken@example.com' } })
    } else if (n % 10 === 1) {
      await app.inject({
        method: 'POST',
        url: '/users',
        payload: { name: 'x', email: newEmail() },
        signal: AbortSignal.timeout(1)
      }).catch(() => {})
    } else if (n % 100 === 2) await app.inject({ method: 'POST', url: '/users', payload: {} })
    else await app.inject({ method: 'PATCH', url: '/users/1', payload: { name: `n${n}` } })
  }
  for (let n = 0; n < requests; n += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => one(n + i)))
    if (n % Math.round(requests / 10) >= 20) continue
    collect()
    memory.push(process.memoryUsage().heapUsed / 2 ** 20)
  }
  const [half, last] = [memory[Math.floor(memory.length / 2)] ?? 0, memory.at(-1) ?? 0]
  t.ok(last - half < 20, `heap in MB: ${memory.map((size) => size.toFixed(1)).join(' ')}`)
  t.ok(app.pg.pool.totalCount <= app.config.DATABASE_POOL_SIZE + app.config.DATABASE_MAX_OVERFLOW)
})

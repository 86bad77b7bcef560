import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { App, BuildOptions } from '../../app.ts'
import { startServer } from '../process.ts'
import { build, databases } from '../helper.ts'
import { Proxy } from '../proxy.ts'
import { until } from '../until.ts'
import { agree, ownServer, writers } from './servers.ts'
import { admin, PATIENT, post, SMALL, survivor } from './service.ts'
import { isWell, newEmail, type Survivor } from './well.ts'

/** The app behind a proxy, and the URL without it. */
async function behindProxy (t: Test, options: BuildOptions = {}): Promise<{ app: App; proxy: Proxy; url: string }> {
  const { databaseUrl: url } = await databases(t)
  const proxy = await Proxy.start(url)
  const app = await build(t, {
    ...options,
    settings: { ...SMALL, ...options.settings, DATABASE_URL: proxy.through(url) }
  })
  t.teardown(() => proxy.close())
  return { app, proxy, url }
}

t.test('a PostgreSQL of its own, the service in a process of its own', async (t) => {
  const server = await ownServer(t, 'postgres', ['max_connections=30'])
  const { mongoUrl, mongoDatabase } = await databases(t)
  const service = startServer(t, {
    NODE_ENV: 'production',
    DATABASE_URL: server.url,
    MONGODB_URL: mongoUrl,
    MONGODB_DATABASE: mongoDatabase,
    DATABASE_POOL_SIZE: '5',
    DATABASE_MAX_OVERFLOW: '5',
    DATABASE_POOL_TIMEOUT_MS: '5000',
    READY_WHEN: 'all'
  })
  const origin = await service.origin
  const send: Survivor['send'] = async (method, url, body) => {
    const reply = await fetch(origin + url, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
    await reply.arrayBuffer()
    return reply.status
  }
  const alive: Survivor = {
    databaseUrl: server.url,
    send,
    log: service.log,
    isAlive: () => service.child.exitCode === null
  }
  const stored = async () => {
    const client = await admin(t, server.url)
    return (await client.query<{ email: string }>('select email from users')).rows.map(({ email }) => email)
  }

  await t.test('F5 idle sessions are killed', async (t) => {
    const client = await admin(t, server.url)
    const kill = () =>
      client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
      )
    await kill()
    t.equal(await send('POST', '/users', { name: 'Ada', email: newEmail() }), 201)
    for (let round = 0; round < 10; round++) {
      // What it missed while it stood still comes at once: that a session has begun, and that it was killed.
      service.child.kill('SIGSTOP')
      await kill()
      service.child.kill('SIGCONT')
      await sleep(round * 5)
    }
    await isWell(t, alive)
  })
  await t.test('F7 PostgreSQL restarts under load, in order and by a crash', async (t) => {
    const { ledger, stop } = writers(t, () => origin, 16)
    const answered = async (count: number) => {
      await until(
        'writes are acknowledged',
        () => ledger.filter(({ status }) => status === 201).length >= count,
        30_000
      )
    }
    await answered(50)
    await server.down('SIGINT')
    await server.up()
    await answered(ledger.filter(({ status }) => status === 201).length + 50)
    await server.down('SIGQUIT')
    await server.up()
    await answered(ledger.filter(({ status }) => status === 201).length + 50)
    agree(t, await stop(), await stored())
    await isWell(t, alive)
  })
  await t.test('F8 PostgreSQL is down under load', async (t) => {
    const { ledger, stop } = writers(t, () => origin, 16)
    await until('writes are acknowledged', () => ledger.some(({ status }) => status === 201))
    await server.down('SIGINT')
    await sleep(5000)
    const [live, ready, late] = [await send('GET', '/livez'), await send('GET', '/readyz'), ledger.length]
    t.equal(live, 200, 'the process is alive')
    t.equal(ready, 503, 'and not ready')
    await until('refusals go on', () => ledger.length > late + 16)
    t.ok(ledger.slice(late + 16).every(({ status }) => status === 503), 'every answer is 503 by now')
    await server.up()
    await until('it is ready again', async () => await send('GET', '/readyz') === 200)
    agree(t, await stop(), await stored())
    const client = await admin(t, server.url)
    const connections = async () =>
      Number(
        (await client.query<{ n: string }>(
          "select count(*) as n from pg_stat_activity where application_name like 'tandem%'"
        )).rows[0]?.n
      )
    await until(
      'no stampede: no more than the pool of ten, that of the projections and the leader',
      async () => await connections() <= 15
    )
    await isWell(t, alive)
  })
  await t.test('F16 no connection is left at the server', async (t) => {
    const client = await admin(t, server.url)
    const taken: pg.Client[] = []
    const takeAll = async () => {
      for (;;) {
        const one = new pg.Client({ connectionString: server.url })
        one.on('error', () => {})
        try {
          await one.connect()
          taken.push(one)
        } catch {
          return
        }
      }
    }
    const ofService = "from pg_stat_activity where application_name like 'tandem%'"
    await until('the service has none, and none is free', async () => {
      await client.query(`select pg_terminate_backend(pid, 5000) ${ofService}`)
      await takeAll()
      return (await client.query(`select 1 ${ofService}`)).rowCount === 0
    })
    const statuses = await Promise.all(
      Array.from({ length: 12 }, () => send('POST', '/users', { name: 'Ada', email: newEmail() }))
    )
    t.ok(statuses.every((status) => status === 503), statuses.join())
    t.equal(await send('GET', '/livez'), 200)
    await Promise.all(taken.map((one) => one.end()))
    await isWell(t, alive)
  })
  service.child.kill('SIGTERM')
  t.equal(await service.ended, 0, 'and it ends in order')
})

t.test('F6 the session is killed in a transaction', async (t) => {
  const killers: pg.Client[] = []
  const app = await build(t, {
    settings: SMALL,
    plugins: async (app) => {
      app.post('/killed', async (request) => {
        await request.transaction.query("insert into users (name, email) values ('x', 'killed@example.com')")
        const { rows } = await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')
        await killers[0]?.query('select pg_terminate_backend($1)', [rows[0]?.pid])
        await until('it is lost', () => request.transaction.state === 'lost')
        return {}
      })
    }
  })
  killers.push(await admin(t, String(app.config.DATABASE_URL)))
  t.match(await post(app, '/killed', {}), { status: 503, type: 'database-unavailable', retryAfter: /\d/ })
  t.equal((await app.pg.query('select 1 from users')).rowCount, 0, 'rolled back')
  await isWell(t, survivor(app, String(app.config.DATABASE_URL)))
})

t.test('F9 sessions on a replica are not kept', async (t) => {
  const { databaseUrl } = await databases(t)
  const insert = "insert into users (name, email) values ('x', gen_random_uuid() || '@example.com')"
  const app = await build(t, {
    settings: { ...SMALL, DATABASE_URL: databaseUrl },
    plugins: async (app) => {
      app.post('/transaction', async (request) => await request.transaction.query(insert))
      app.post('/statement', {
        config: { transaction: 'statement' },
        schema: { response: { 200: { type: 'object' } } }
      }, async (request) => await request.transaction.query(insert))
      app.post('/autocommit', { config: { transaction: false } }, async () => await app.pg.query(insert))
      app.post(
        '/read-only',
        { config: { transaction: { accessMode: 'read only' } } },
        async (request) => await request.transaction.query(insert)
      )
    }
  })
  const client = await admin(t, databaseUrl)
  // Sessions that begin while the database is read only stay so, as those to a server that is a replica.
  const begin = async (setting: string) =>
    await client.query(`alter database ${new URL(databaseUrl).pathname.slice(1)} ${setting}`)
  const { pool } = app.pg
  let removed = 0
  pool.on('remove', () => {
    removed++
  })
  /** What all sessions of the pool say, with three of them open. */
  const sessions = async (): Promise<string[]> => {
    const taken = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
    const said = await Promise.all(
      taken.map((one) =>
        one.query<{ state: string }>("select current_setting('default_transaction_read_only') as state")
      )
    )
    for (const one of taken) one.release()
    return said.map(({ rows }) => rows[0]?.state ?? '')
  }
  for (const url of ['/transaction', '/statement', '/autocommit']) {
    await begin('set default_transaction_read_only = on')
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    await until('the pool is empty', () => pool.totalCount === 0)
    t.same(await sessions(), ['on', 'on', 'on'])
    await begin('reset default_transaction_read_only')
    t.match(await post(app, url, {}), { status: 503, type: 'database-unavailable', retryAfter: /\d/ }, url)
    t.equal((await post(app, url, {})).status, 200, 'the next write finds a session that may write')
    await until('all are idle', () => pool.idleCount === pool.totalCount)
    t.same(await sessions(), ['off', 'off', 'off'], 'and no other is left')
  }
  removed = 0
  t.equal((await post(app, '/read-only', {})).status, 503)
  await until('all are idle', () => pool.idleCount === pool.totalCount)
  t.equal(removed, 0, 'a transaction that asked to be read only says nothing about its session')
  await isWell(t, survivor(app, databaseUrl))
})

t.test('F11 PostgreSQL goes silent', async (t) => {
  const { app, proxy, url } = await behindProxy(t, {
    settings: {
      DATABASE_LOCK_TIMEOUT_MS: 300,
      DATABASE_STATEMENT_TIMEOUT_MS: 500,
      DATABASE_TRANSACTION_TIMEOUT_MS: 800,
      HANDLER_TIMEOUT_MS: 1500,
      DATABASE_POOL_TIMEOUT_MS: 1000
    }
  })
  await until('it works', async () => (await app.inject('/users')).statusCode === 200)
  proxy.pause()
  const answers = await Promise.all([
    app.inject('/users'),
    app.inject('/users/1'),
    app.inject({ method: 'POST', url: '/users', payload: { name: 'Ada', email: newEmail() } })
  ])
  for (const { statusCode } of answers) t.ok(statusCode === 503 || statusCode === 504, String(statusCode))
  proxy.resume()
  await isWell(t, survivor(app, url))
})

t.test('F13 a slow network that delivers byte by byte', async (t) => {
  const { databaseUrl } = await databases(t)
  const { hostname, port } = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const slicer = createServer(async (client) => {
    const upstream = connect(Number(port), hostname)
    const pass = async (from: Socket, to: Socket) => {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        await sleep(20 + Math.random() * 20)
        for (const byte of chunk) to.write(Buffer.of(byte))
      }
      to.end()
    }
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true).on('error', () => {}))
    await Promise.allSettled([pass(client, upstream), pass(upstream, client)])
  })
  await once(slicer.listen(0, '127.0.0.1'), 'listening')
  const slow = new URL(databaseUrl)
  slow.port = String((slicer.address() as AddressInfo).port)
  const app = await build(t, { settings: { ...SMALL, DATABASE_URL: slow.href } })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    slicer.close()
  })
  const names = Array.from({ length: 12 }, (_, n) => `Zwölf 🦊 ${n} ${'x'.repeat(n * 10)}`)
  const replies = await Promise.all(names.map((name) => post(app, '/users', { name, email: newEmail() })))
  t.ok(replies.every(({ status }) => status === 201), JSON.stringify(replies))
  const users = (await app.inject('/users')).json() as Array<{ name: string }>
  t.same(users.map(({ name }) => name).sort(), names.sort(), 'not a letter is lost')
  await isWell(t, survivor(app, databaseUrl))
})

t.test('F14 the connection is reset in each phase of a write', async (t) => {
  const { app, proxy, url } = await behindProxy(t, { settings: { DATABASE_POOL_SIZE: 1, DATABASE_MAX_OVERFLOW: 0 } })
  const client = await admin(t, url)
  const seen = new Set<string>()
  const cuts = [
    ...Array.from({ length: 24 }, (_, n) => ['client', n * 40] as const),
    ...Array.from({ length: 24 }, (_, n) => ['server', n * 25] as const)
  ]
  for (const [side, bytes] of cuts) {
    await app.pg.query('select 1')
    proxy.cutAfter(bytes, 'reset', side)
    const email = newEmail()
    const { status, type } = await post(app, '/users', { name: 'Ada', email })
    proxy.cutAfter(Infinity, 'reset')
    seen.add(status === 201 ? 'stored' : type)
    const rows = (await client.query('select 1 from users where email = $1', [email])).rowCount
    const where = `${bytes} bytes of the ${side}: ${status} ${type}, ${rows} rows`
    if (status === 201) t.equal(rows, 1, where)
    else if (status === 503) t.equal(rows, 0, where)
    else t.match({ status, type }, { status: 500, type: 'outcome-unknown' }, where)
  }
  t.same([...seen].sort(), ['database-unavailable', 'outcome-unknown', 'stored'], 'each phase was met')
  await isWell(t, survivor(app, url))
})

t.test('F20 F21 deadlocks and serialization failures', async (t) => {
  const { databaseUrl } = await databases(t)
  // A deadlock is looked for at once, not after a second.
  const setter = await admin(t, databaseUrl)
  await setter.query(`alter database ${new URL(databaseUrl).pathname.slice(1)} set deadlock_timeout = '20ms'`)
  await setter.end()
  const app = await build(t, {
    settings: { ...SMALL, ...PATIENT, DATABASE_URL: databaseUrl },
    plugins: async (app) => {
      app.post('/both', { config: { transaction: { retries: 5 } } }, async (request) => {
        for (const id of request.body as number[]) {
          await request.transaction.query('update users set name = (name::int + 1)::text where id = $1', [id])
        }
        return {}
      })
      app.post(
        '/serial',
        { config: { transaction: { retries: 5, isolationLevel: 'serializable' } } },
        async (request) => {
          const { rows } = await request.transaction.query<{ name: string }>('select name from users where id = 3')
          await request.transaction.query('update users set name = $1 where id = 3', [
            String(Number(rows[0]?.name) + 1)
          ])
          return {}
        }
      )
    }
  })
  for (let n = 0; n < 3; n++) await post(app, '/users', { name: '0', email: newEmail() })
  const count = async (id: number) =>
    Number((await app.pg.query<{ name: string }>('select name from users where id = $1', [id])).rows[0]?.name)
  const crossing = await Promise.all(
    Array.from({ length: 100 }, (_, n) => post(app, '/both', n % 2 === 0 ? [1, 2] : [2, 1]))
  )
  const done = crossing.filter(({ status }) => status === 200).length
  t.ok(
    crossing.every(({ status, type }) => status === 200 || (status === 503 && type === 'write-conflict')),
    `F20: done, or 503 write-conflict: ${JSON.stringify(crossing.filter(({ status }) => status !== 200))}`
  )
  t.same([await count(1), await count(2)], [done, done], `F20: ${done} of 100 in opposite orders, each counted once`)
  const storm = await Promise.all(Array.from({ length: 60 }, () => post(app, '/serial', {})))
  t.ok(
    storm.every(({ status, type }) => status === 200 || (status === 503 && type === 'write-conflict')),
    'F21: done, or 503 write-conflict'
  )
  t.equal(
    await count(3),
    storm.filter(({ status }) => status === 200).length,
    'F21: no increment is lost or counted twice'
  )
  await isWell(t, survivor(app, String(app.config.DATABASE_URL)))
})

t.test('F22 many want the same e-mail, and the same slug', async (t) => {
  const app = await build(t, { settings: { ...SMALL, ...PATIENT } })
  let opened = 0
  app.pg.pool.on('connect', () => {
    opened++
  })
  const users = await Promise.all(
    Array.from({ length: 1000 }, () => post(app, '/users', { name: 'Ada', email: 'ada@example.com' }))
  )
  t.equal(users.filter(({ status }) => status === 201).length, 1)
  const others = users.filter(({ status, type }) => !(status === 409 && type === 'duplicate') && status !== 201)
  t.strictSame(others.map(({ status, type }) => `${status} ${type}`), [], 'the others are told that it is taken')
  // A ROLLBACK that takes a second costs a connection; errors that did would cost one each.
  t.ok(opened <= 50, `no connection was lost to an error: ${opened} opened`)
  const { rows } = await app.pg.query<{ id: number }>('select id from users')
  const posts = await Promise.all(
    Array.from(
      { length: 100 },
      () => post(app, '/posts', { title: 'On', content: 'x', category: 'x', author_id: rows[0]?.id, slug: 'on' })
    )
  )
  t.equal(posts.filter(({ status }) => status === 201).length, 1)
  const rest = posts.filter(({ status }) => status !== 201)
  t.ok(
    rest.every(({ status, type }) => (status === 409 && type === 'duplicate') || status === 503),
    JSON.stringify(rest.map(({ status, type }) => [status, type]))
  )
  await isWell(t, survivor(app, String(app.config.DATABASE_URL)))
})

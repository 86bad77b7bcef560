import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import pg from 'pg'
import t from 'tap'
import transaction, { type RouteTransactionOptions, type TransactionPluginOptions } from '../../plugins/transaction/index.ts'
import { database, logLines, recordStatements, signal, stage, test, transactional, until, type Database } from './harness.ts'

let db: Database
t.before(async () => { db = await database(t) })
const setting = (name: string) => `current_setting('${name}') as value`

/** Boots an app on a pool that no server answers; gives what it refused with. */
async function refusal (route: Partial<RouteOptions>, plugin: Partial<TransactionPluginOptions> = {}, after?: (app: FastifyInstance) => unknown): Promise<string> {
  const pool = new pg.Pool({ host: '127.0.0.1', port: 1 })
  const app = Fastify()
  try {
    app.register(transaction, { pool, ...plugin })
    app.register(async (child) => {
      await after?.(child)
      child.route({ method: 'POST', url: '/orders', handler: async () => ({}), ...route })
    })
    await app.ready()
    return 'booted'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'TX_USAGE' ? error.message : String(error)
  } finally {
    await app.close()
    await pool.end()
  }
}

test('what a route must not say refuses to boot, naming route and option', async (t) => {
  const wrong: Array<[unknown, RegExp]> = [
    [{ isolation: 'serializable' }, /isolation is not an option; known are store, isolationLevel/],
    [{ isolationLevel: 'chaos' }, /isolationLevel must be one of 'read committed'/],
    [{ accessMode: 'readonly' }, /accessMode must be one of/],
    [{ deferrable: 1 }, /deferrable must be true or false/],
    [{ retries: 21 }, /retries must be a whole number from 0 to 20/],
    [{ retries: -1 }, /retries/],
    [{ deadline: '5s' }, /deadline must be a whole number of milliseconds/],
    [{ deadline: NaN }, /deadline/],
    [{ statementTimeout: -1 }, /statementTimeout/],
    [{ lockTimeout: 0.5 }, /lockTimeout/],
    [{ idleInTransactionTimeout: 2 ** 31 }, /idleInTransactionTimeout/],
    [{ transactionTimeout: Infinity }, /transactionTimeout/],
    [{ stream: true }, /stream needs accessMode: 'read only'/],
    [{ stream: true, accessMode: 'read only', retries: 1 }, /stream contradicts retries/],
    [{ stream: true, accessMode: 'read only', clientAbort: 'continue' }, /stream contradicts clientAbort/],
    [{ stream: true, store: 'mongo' }, /stream needs/],
    [{ deferrable: true, isolationLevel: 'serializable' }, /deferrable needs/],
    [{ deferrable: true, accessMode: 'read only' }, /deferrable needs/],
    [{ clientAbort: 'ignore' }, /clientAbort must be one of/],
    [{ settings: { role: 'x' } }, /settings must be a function/],
    [{ agree: 'hope' }, /agree must be one of/],
    [{ store: 'redis' }, /store must be one of/],
    [{ store: 'mongo' }, /store 'mongo' needs the plugin option mongo/],
    [{ store: 'mongo', lockTimeout: 5 }, /lockTimeout is an option of the sql store/],
    ['yes', /must be true, false/],
    [null, /booted/],
    ['statement', /'statement' needs a response schema/]
  ]
  for (const [declared, expected] of wrong) {
    const message = await refusal({ config: { transaction: declared as RouteTransactionOptions } })
    t.match(message, expected, JSON.stringify(declared))
    if (message !== 'booted') t.match(message, /^config\.transaction of POST \/orders: /)
  }
  t.match(await refusal({ config: { transaction: { isolationLevel: 'x', retries: 99 } as unknown as RouteTransactionOptions } }), /isolationLevel.*; retries/, 'all mistakes at once')
  t.equal(await refusal({ config: { transaction: { isolationLevel: 'serializable', accessMode: 'read only', deferrable: true, deadline: 0, stream: true } } }), 'booted')
  t.match(await refusal({ config: { transaction: { stream: true, accessMode: 'read only' } } }, { defaults: { retries: 2 } }), /stream contradicts retries/, 'together with the defaults')
})

test('what the plugin must not be told refuses to boot', async (t) => {
  const pool = { pool: undefined } as unknown as Partial<TransactionPluginOptions>
  t.match(await refusal({}, pool), /give a pool/)
  t.match(await refusal({}, { defaults: { deadline: -5 } }), /defaults: deadline/)
  t.match(await refusal({}, { defaults: { unknown: 1 } as RouteTransactionOptions }), /defaults: unknown is not an option/)
  t.match(await refusal({}, { commitTimeout: -1 }), /commitTimeout must be/)
  t.match(await refusal({}, { beginTimeout: '1s' as unknown as number }), /beginTimeout must be/)
  t.match(await refusal({}, { checkoutTimeout: NaN }), /checkoutTimeout must be/)
  t.match(await refusal({}, { retryAfter: -1 }), /retryAfter must be/)
  t.match(await refusal({}, { methods: ['post'] }), /methods/)
  t.match(await refusal({}, { sql: {} as NonNullable<TransactionPluginOptions['sql']> }), /pool or sql, not both/)
  t.match(await refusal({ config: { transaction: 'statement' }, schema: { response: { 200: {} } } }, { defaults: { settings: () => ({ role: 'tenant' }) } }), /'statement'.*settings/, "what defaults ask of every transaction, 'statement' cannot silently drop")
})

test('an onSend hook behind the gate refuses to boot and is named', async (t) => {
  const late = (hook: (app: FastifyInstance) => unknown) => async (app: FastifyInstance) => { await hook(app) }
  async function compressReplies () {}
  const appending = late((app) => app.addHook('onRoute', (route) => { route.onSend = [...[route.onSend ?? []].flat(), compressReplies] }))
  t.match(await refusal(transactional, {}, appending), /POST \/orders: onSend runs compressReplies after the COMMIT; register the plugin that adds it before/)
  t.equal(await refusal({}, {}, appending), 'booted', 'a route without a transaction may have it')
  t.equal(await refusal({ ...transactional, onSend: compressReplies }, {}), 'booted', 'the own hooks of a route run before')
  t.equal(await refusal(transactional, {}, late((app) => app.addHook('onSend', compressReplies))), 'booted', 'those of an instance too')
})

test('transactionTimeout needs PostgreSQL 17', async (t) => {
  const begun: string[] = []
  const client = {
    on () { return client },
    removeListener () { return client },
    release () {},
    getTransactionStatus: () => 'I',
    query: async (text: string) => { begun.push(text); return await Promise.resolve({ command: 'COMMIT', rows: [] }) }
  }
  const pool = {
    on () { return pool },
    connect: async () => await Promise.resolve(client),
    query: async () => await Promise.resolve({ rows: [{ server_version_num: '160004' }] })
  } as unknown as pg.Pool
  const declares = { config: { transaction: { transactionTimeout: 1000 } } }
  t.match(await refusal(declares, { pool }), /config\.transaction of POST \/orders: transactionTimeout needs PostgreSQL 17 or newer/)
  const app = Fastify()
  await app.register(transaction, { pool, defaults: { transactionTimeout: 1000, lockTimeout: 50 } })
  app.post('/', transactional, async (request) => { await request.transaction.query('select 1').catch(() => {}) })
  await app.inject({ method: 'POST', url: '/' })
  t.match(begun[0], /^BEGIN; SET LOCAL lock_timeout = 50; SET LOCAL application_name/, 'a default is left out on older servers')
  await app.close()
  t.equal(await refusal(declares), 'booted', 'a server that is away does not keep the app from starting')
})

test('who gets a transaction', async (t) => {
  const { send } = await stage(t, {
    database: db,
    plugin: (pool) => ({ pool, methods: ['POST', 'DELETE'] }),
    routes: (app) => {
      const tell = async (request: Parameters<Extract<RouteOptions['handler'], (...args: never[]) => unknown>>[0]) => {
        const state = await request.transaction.query('select 1').then(() => request.transaction.state)
        return { state }
      }
      app.post('/', tell)
      app.delete('/', tell)
      app.put('/', tell)
      app.get('/', tell)
      app.post('/out', { config: { transaction: false } }, tell)
      app.get('/in', transactional, tell)
      app.route({ method: ['GET', 'POST'], url: '/both', handler: tell })
      app.register(async (child) => {
        child.post('/', tell)
        child.register(async (grandchild) => { grandchild.get('/deep', transactional, tell) })
      }, { prefix: '/prefix' })
    }
  })
  const expected: Array<[string, string, number]> = [
    ['POST', '/', 200], ['DELETE', '/', 200], ['PUT', '/', 500], ['GET', '/', 500], ['POST', '/out', 500], ['GET', '/in', 200],
    ['HEAD', '/in', 200], ['GET', '/both', 200], ['POST', '/both', 200], ['POST', '/prefix', 200], ['POST', '/prefix/', 200], ['GET', '/prefix/deep', 200]
  ]
  for (const [method, path, status] of expected) t.equal((await send(method, path)).status, status, `${method} ${path}`)
})

test('what PostgreSQL is told', async (t) => {
  const begun: string[] = []
  const { app, send, pool } = await stage(t, {
    database: db,
    plugin: (pool) => ({ pool, applicationName: 'shop', defaults: { lockTimeout: 1500 } }),
    routes: (app, pool) => {
      pool.on('connect', (client) => {
        const query = client.query.bind(client) as (...args: unknown[]) => unknown
        Object.assign(client, { query: (...args: unknown[]) => { begun.push(String(args[0])); return query(...args) } })
      })
      const asks = (path: string, options: RouteTransactionOptions, names: string[]) => {
        app.post(path, { config: { transaction: options } }, async (request) => {
          const values: Record<string, unknown> = {}
          for (const name of names) values[name] = (await request.transaction.query<{ value: string }>(`select ${setting(name)}`)).rows[0]?.value
          return values
        })
      }
      asks('/all', {
        isolationLevel: 'serializable', accessMode: 'read only', deferrable: true, statementTimeout: 1100, lockTimeout: 1200, idleInTransactionTimeout: 1300, transactionTimeout: 1400
      }, ['transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'application_name'])
      asks('/default', {}, ['transaction_isolation', 'transaction_read_only', 'statement_timeout', 'lock_timeout', 'application_name'])
      asks('/none', { lockTimeout: 0 }, ['lock_timeout'])
      asks('/repeatable', { isolationLevel: 'repeatable read', accessMode: 'read write' }, ['transaction_isolation', 'transaction_read_only'])
      app.post("/odd-'name", transactional, async (request) => (await request.transaction.query(`select ${setting('application_name')}`)).rows[0])
      app.post('/seen', transactional, async (request) => {
        await request.transaction.query('select 1')
        const { rows } = await db.admin.query("select application_name from pg_stat_activity where datname = current_database() and state = 'idle in transaction'")
        return rows[0]
      })
    }
  })
  t.match((await send('POST', '/all')).json, {
    transaction_isolation: 'serializable', transaction_read_only: 'on', transaction_deferrable: 'on', statement_timeout: '1100ms', lock_timeout: '1200ms',
    idle_in_transaction_session_timeout: '1300ms', transaction_timeout: '1400ms', application_name: /^shop POST \/all req-/
  })
  t.equal(begun.filter((text) => text.startsWith('BEGIN')).length, 1, 'in one message')
  t.match((await send('POST', '/default')).json, { transaction_isolation: 'read committed', transaction_read_only: 'off', statement_timeout: '0', lock_timeout: '1500ms' })
  t.match((await send('POST', '/none')).json, { lock_timeout: '0' })
  t.match((await send('POST', '/repeatable')).json, { transaction_isolation: 'repeatable read', transaction_read_only: 'off' })
  t.match((await send('POST', "/odd-'name")).json, { value: /^shop POST \/odd-'name req-/ })
  t.match((await send('POST', '/seen')).json, { application_name: /^shop POST \/seen req-/ }, 'who runs is seen from outside')
  const { rows } = await pool.query(`select ${setting('application_name')}, current_setting('lock_timeout') as lock, current_setting('transaction_isolation') as isolation`)
  t.same(rows[0], { value: 'app', lock: '0', isolation: 'read committed' }, 'nothing outlives its transaction')
  t.ok(app.server.listening)
})

test('the bounds of PostgreSQL end what is too slow', async (t) => {
  const { send, pool } = await stage(t, {
    database: db,
    routes: (app) => {
      const within = (options: RouteTransactionOptions) => ({ config: { transaction: options } })
      app.post('/statement', within({ statementTimeout: 50 }), async (request) => await request.transaction.query('select pg_sleep(60)'))
      app.post('/lock', within({ lockTimeout: 50 }), async (request) => await request.transaction.query('lock table item'))
      app.post('/idle', within({ idleInTransactionTimeout: 300 }), async (request) => {
        await request.transaction.query('select 1')
        await until(() => request.transaction.state === 'lost')
        return {}
      })
      app.post('/idle-then-query', within({ idleInTransactionTimeout: 300 }), async (request) => {
        await request.transaction.query('select 1')
        await until(() => request.transaction.state === 'lost')
        return await request.transaction.query('select 2')
      })
      app.post('/whole', within({ transactionTimeout: 50 }), async (request) => await request.transaction.query('select pg_sleep(60)'))
      app.post('/read-only', within({ accessMode: 'read only' }), async (request) => await request.transaction.query('insert into item values (1)'))
    }
  })
  const holder = await db.admin.connect()
  await holder.query('begin; lock table item')
  t.match(await send('POST', '/lock'), { status: 500, json: { code: '55P03' } })
  await holder.query('rollback')
  holder.release()
  t.match(await send('POST', '/statement'), { status: 500, json: { code: '57014' } })
  t.match(await send('POST', '/read-only'), { status: 500, json: { code: '25006' } })
  for (const path of ['/idle', '/idle-then-query']) t.match(await send('POST', path), { status: 504, json: { code: 'TX_TIMEOUT' } }, `${path}: the server ended it for its time`)
  t.ok((await send('POST', '/whole')).status >= 500)
  t.ok(await until(() => pool.idleCount === pool.totalCount))
})

test('settings: who asks decides what the database shows', async (t) => {
  await db.admin.query(`
    create table note (id integer primary key, tenant text not null);
    insert into note values (1, 'red'), (2, 'blue'), (3, 'red');
    alter table note enable row level security;
    create policy own on note using (tenant = current_setting('app.tenant'));
    create role visitor nologin; grant visitor to current_user; grant select, insert on note to visitor`)
  t.teardown(async () => { await db.admin.query('drop table note; drop role visitor') })
  const { app, send, pool } = await stage(t, {
    database: db,
    plugin: (pool) => ({
      pool,
      defaults: { settings: (request) => ({ role: 'visitor', 'app.tenant': String(request.headers['x-tenant'] ?? (request.query as { tenant?: string }).tenant) }) }
    }),
    routes: (app) => {
      app.post('/notes', transactional, async (request) => (await request.transaction.query('select id, current_user as role from note order by id')).rows)
      app.post('/foreign', transactional, async (request) => await request.transaction.query("insert into note values (9, 'blue')"))
      app.post('/late', { config: { transaction: { settings: (request) => ({ 'app.tenant': String(request.headers['x-found']) }) } }, preHandler: async (request) => { request.headers['x-found'] = 'red' } },
        async (request) => (await request.transaction.query(`select ${setting('app.tenant')}`)).rows)
      const odd = (path: string, values: Record<string, string>) => {
        app.post(path, { config: { transaction: { settings: () => values } } }, async (request) => (await request.transaction.query(`select ${setting('app.tenant')}`)).rows)
      }
      odd('/bad-name', { 'app.tenant; drop table note': 'x' })
      odd('/bad-value', { 'app.tenant': 5 as unknown as string })
      odd('/quotes', { 'app.tenant': "o'brien\\'; drop table note; --" })
      odd('/unknown', { no_such_setting: 'x' })
      app.post('/throws', { config: { transaction: { settings: () => { throw Object.assign(new Error('who are you?'), { statusCode: 401 }) } } } }, async (request) => (await request.transaction.query('select 1')).rows)
    }
  })
  t.same((await send('POST', '/notes?tenant=red')).json, [{ id: 1, role: 'visitor' }, { id: 3, role: 'visitor' }])
  t.same((await send('POST', '/notes?tenant=blue')).json, [{ id: 2, role: 'visitor' }])
  t.match(await send('POST', '/foreign?tenant=red'), { status: 500, json: { code: '42501' } }, 'a write into another tenant is refused')
  t.same((await send('POST', '/late')).json, [{ value: 'red' }], 'asked for when the transaction begins, after preHandlers')
  t.match(await send('POST', '/bad-name'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/bad-value'), { status: 500, json: { code: 'TX_USAGE' } })
  t.same((await send('POST', '/quotes')).json, [{ value: "o'brien\\'; drop table note; --" }])
  t.match(await send('POST', '/unknown'), { status: 500, json: { code: '42704' } })
  t.match(await send('POST', '/throws'), { status: 401 })
  const own = await app.transaction(async (transaction) => (await transaction.query(`select current_user as role, ${setting('app.tenant')}`)).rows, { settings: { role: 'visitor', 'app.tenant': 'blue' } })
  t.same(own, [{ role: 'visitor', value: 'blue' }])
  const { rows } = await pool.query("select current_user <> 'visitor' as own_role, current_setting('app.tenant', true) as tenant")
  t.match(rows[0], { own_role: true, tenant: '' }, 'nothing outlives its transaction')
})

test('app.transaction', async (t) => {
  const { lines, logger } = logLines()
  const { app, pool } = await stage(t, { database: db, fastify: { logger }, plugin: (pool) => ({ pool, applicationName: 'shop' }), routes: () => {} })
  const result = await app.transaction(async (transaction) => {
    t.equal(transaction.state, 'idle')
    await transaction.query('insert into item values (1)')
    t.equal(transaction.state, 'open')
    const { rows } = await transaction.query(`select ${setting('application_name')}`)
    return rows[0]
  }, { name: 'nightly job' })
  t.same(result, { value: 'shop nightly job' })
  await t.rejects(app.transaction(async (transaction) => {
    await transaction.query('insert into item values (2)')
    throw new Error('no')
  }), { message: 'no' })
  await t.rejects(app.transaction(async (transaction) => { await transaction.query('insert into child values (1, 99)') }), { code: '23503' }, 'COMMIT fails')
  await t.rejects(app.transaction(async (transaction) => { await transaction.query('select 1 / 0').catch(() => {}) }), { code: 'TX_ABORTED' }, 'a swallowed error')
  await t.rejects(app.transaction(async (transaction) => {
    await transaction.commit()
    await transaction.query('select 1')
  }), { code: 'TX_CLOSED' })
  t.equal(await app.transaction(async (transaction) => {
    await transaction.query('insert into item values (3)')
    transaction.setRollbackOnly()
    return 'dry'
  }), 'dry')
  await app.transaction(async (transaction) => { void transaction.query('insert into item values (4)') })
  t.same(await db.ids(), [1, 4], 'statements nobody awaited are waited for')

  let runs = 0
  const conflict = "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$"
  t.equal(await app.transaction(async (transaction) => {
    runs++
    await transaction.query('insert into item values (5)')
    if (transaction.attempt < 3) await transaction.query(conflict)
    return transaction.attempt
  }, { retries: 2 }), 3)
  await t.rejects(app.transaction(async (transaction) => { runs++; await transaction.query(conflict) }, { retries: 2 }), { code: '40001' })
  t.equal(runs, 6, 'three times each')
  runs = 0
  await t.rejects(app.transaction(async (transaction) => {
    runs++
    await transaction.query('savepoint one')
    await transaction.query(conflict).catch(() => {})
    await transaction.query('rollback to one')
    throw new Error('not because of the conflict')
  }, { retries: 2 }), { message: 'not because of the conflict' })
  t.equal(runs, 1, 'an error of its own is not retried')
  runs = 0
  await t.rejects(app.transaction(async (transaction) => {
    runs++
    await transaction.commit()
    throw Object.assign(new Error('conflict elsewhere'), { code: '40001', severity: 'ERROR' })
  }, { retries: 2 }), { message: 'conflict elsewhere' })
  t.equal(runs, 1, 'nothing runs again after a COMMIT')

  await t.rejects(app.transaction(async (transaction) => { await transaction.query('select pg_sleep(60)') }, { deadline: 50 }), { code: 'TX_TIMEOUT' })
  await t.rejects(app.transaction(async (transaction) => {
    await transaction.query('insert into item values (6)')
    await new Promise(() => {})
  }, { deadline: 50 }), { code: 'TX_TIMEOUT' }, 'work that waits for something else ends too')
  await t.rejects(app.transaction(async () => {}, { stream: true } as object), { code: 'TX_USAGE', message: /stream is not an option/ })
  await t.rejects(app.transaction(async () => {}, { retries: 99 }), { message: /retries must be/ })
  await t.rejects(app.transaction(async () => {}, { store: 'mongo' }), { message: /needs the plugin option mongo/ })
  await t.rejects(app.transaction(async (outer) => {
    await outer.query('select 1')
    await app.transaction(async (inner) => { await inner.query('select 1') }, { name: 'inner' })
  }), { code: 'TX_USAGE', message: /inner was called inside the transaction of/ })
  t.equal(await app.transaction(async () => { throw 'a string' }).catch((thrown: unknown) => thrown), 'a string', 'whatever is thrown is passed on')
  t.same(await db.ids(), [1, 4, 5])
  const done = signal()
  await app.transaction(async (transaction) => { transaction.afterCommit(done.give) })
  await done.given
  t.equal(pool.idleCount, pool.totalCount)
  t.notOk(lines.some((line) => Number(line['level']) >= 50))
})

test("'statement': one statement that commits by itself", async (t) => {
  const statements: string[] = []
  const free = signal()
  const { send, pool } = await stage(t, {
    database: db,
    pool: { max: 1 },
    plugin: (pool) => ({ pool, defaults: { deadline: 2000 } }),
    routes: (app, pool) => {
      recordStatements(pool, statements)
      const options = { config: { transaction: 'statement' }, schema: { response: { 200: { type: 'object', properties: { id: { type: 'integer' } } } } } } as const
      app.post('/one', options, async (request) => (await request.transaction.query('insert into item values (1) returning id')).rows[0])
      app.post('/two', options, async (request) => {
        await request.transaction.query('insert into item values (2)')
        await request.transaction.query('insert into item values (3)')
      })
      app.post('/swallows', options, async (request) => {
        await request.transaction.query('insert into item values (1)').catch(() => {})
        return { id: 1 }
      })
      app.post('/begin', options, async (request) => await request.transaction.query('begin'))
      app.post('/sleeps', options, async (request) => await request.transaction.query('insert into item select 4 from pg_sleep(60)'))
      app.post('/killed', options, async (request) => await request.transaction.query('insert into item select 5 from pg_terminate_backend(pg_backend_pid()), pg_sleep(60)'))
      app.post('/holds', transactional, async (request) => {
        await request.transaction.query('select 1')
        await free.given
        return {}
      })
    }
  })
  t.match(await send('POST', '/one'), { status: 200, json: { id: 1 } })
  t.same(statements, ['insert into item values (1) returning id'], 'no BEGIN, no COMMIT')
  t.match(await send('POST', '/two'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/swallows'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/begin'), { status: 500, json: { code: 'TX_USAGE' } })
  const sleeping = send('POST', '/sleeps')
  // A cancel that overtakes its statement stops nothing.
  await until(async () => (await db.admin.query("select 1 from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep(60)%' and pid <> pg_backend_pid()")).rowCount === 1)
  sleeping.abort()
  t.ok(await until(() => pool.idleCount === 1), 'an abort cancels it')
  t.equal((await send('POST', '/killed')).status >= 500, true, 'a killed backend takes nothing with it')
  const holder = send('POST', '/holds')
  await until(() => pool.idleCount === 0 && pool.totalCount === 1)
  const queued = send('POST', '/one')
  await until(() => pool.waitingCount === 1)
  const before = statements.length
  queued.abort()
  await sleep(50)
  free.give()
  await holder
  await until(() => pool.idleCount === 1)
  t.same(statements.slice(before).filter((text) => text.startsWith('insert')), [], 'a client that left the queue sends nothing')
  t.same(await db.ids(), [1, 2], 'the price: what a statement did stays')
})

test('every fact a route declares is in its schema', async (t) => {
  const described: Record<string, unknown> = {}
  await stage(t, {
    database: db,
    plugin: (pool) => ({ pool, defaults: { lockTimeout: 5 } }),
    routes: (app) => {
      app.addHook('onRoute', ({ url, schema }) => { described[url] = (schema as { 'x-transaction'?: unknown } | undefined)?.['x-transaction'] })
      app.post('/described', { schema: {}, config: { transaction: { retries: 2, settings: () => ({}) } } }, async () => ({}))
      app.get('/plain', { schema: {} }, async () => ({}))
    }
  })
  t.same(described['/described'], { store: 'sql', lockTimeout: 5, retries: 2, settings: true })
  t.equal(described['/plain'], undefined)
})

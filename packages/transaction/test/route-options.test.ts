// What a route declares: who gets a transaction, and what PostgreSQL is told.
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import t from 'tap'
import { ConnectionLostError, type RouteTransactionOptions } from '../src/index.ts'
import { database, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { setting } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('who gets a transaction', async (t) => {
  const { send } = await setup(t, {
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
        child.register(async (grandchild) => {
          grandchild.get('/deep', transactional, tell)
        })
      }, { prefix: '/prefix' })
    }
  })
  const expected: Array<[string, string, number]> = [
    ['POST', '/', 200],
    ['DELETE', '/', 200],
    ['PUT', '/', 500],
    ['GET', '/', 500],
    ['POST', '/out', 500],
    ['GET', '/in', 200],
    ['HEAD', '/in', 200],
    ['GET', '/both', 200],
    ['POST', '/both', 200],
    ['POST', '/prefix', 200],
    ['POST', '/prefix/', 200],
    ['GET', '/prefix/deep', 200]
  ]
  for (const [method, path, status] of expected) t.equal((await send(method, path)).status, status, `${method} ${path}`)
})

test('what PostgreSQL is told', async (t) => {
  const begun: string[] = []
  const { app, send, pool } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, applicationName: 'shop', defaults: { lockTimeout: 1500 } }),
    routes: (app, pool) => {
      pool.on('connect', (client) => {
        const query = client.query.bind(client) as (...args: unknown[]) => unknown
        Object.assign(client, {
          query: (...args: unknown[]) => {
            begun.push(String(args[0]))
            return query(...args)
          }
        })
      })
      const asks = (path: string, options: RouteTransactionOptions, names: string[]) => {
        app.post(path, { config: { transaction: options } }, async (request) => {
          const values: Record<string, unknown> = {}
          for (const name of names) {
            values[name] = (await request.transaction.query<{ value: string }>(`select ${setting(name)}`)).rows[0]
              ?.value
          }
          return values
        })
      }
      asks('/all', {
        isolationLevel: 'serializable',
        accessMode: 'read only',
        deferrable: true,
        statementTimeout: 1100,
        lockTimeout: 1200,
        idleInTransactionTimeout: 1300,
        transactionTimeout: 1400
      }, [
        'transaction_isolation',
        'transaction_read_only',
        'transaction_deferrable',
        'statement_timeout',
        'lock_timeout',
        'idle_in_transaction_session_timeout',
        'transaction_timeout',
        'application_name'
      ])
      asks('/default', {}, [
        'transaction_isolation',
        'transaction_read_only',
        'statement_timeout',
        'lock_timeout',
        'application_name'
      ])
      asks('/none', { lockTimeout: 0 }, ['lock_timeout'])
      asks('/repeatable', { isolationLevel: 'repeatable read', accessMode: 'read write' }, [
        'transaction_isolation',
        'transaction_read_only'
      ])
      app.post(
        "/odd-'name",
        transactional,
        async (request) => (await request.transaction.query(`select ${setting('application_name')}`)).rows[0]
      )
      app.post('/seen', transactional, async (request) => {
        await request.transaction.query('select 1')
        const { rows } = await db.admin.query(
          "select application_name from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"
        )
        return rows[0]
      })
    }
  })
  t.match((await send('POST', '/all')).json, {
    transaction_isolation: 'serializable',
    transaction_read_only: 'on',
    transaction_deferrable: 'on',
    statement_timeout: '1100ms',
    lock_timeout: '1200ms',
    idle_in_transaction_session_timeout: '1300ms',
    transaction_timeout: '1400ms',
    application_name: /^shop POST \/all req-/
  })
  t.equal(begun.filter((text) => text.startsWith('BEGIN')).length, 1, 'in one message')
  t.match((await send('POST', '/default')).json, {
    transaction_isolation: 'read committed',
    transaction_read_only: 'off',
    statement_timeout: '0',
    lock_timeout: '1500ms'
  })
  t.match((await send('POST', '/none')).json, { lock_timeout: '0' })
  t.match((await send('POST', '/repeatable')).json, {
    transaction_isolation: 'repeatable read',
    transaction_read_only: 'off'
  })
  t.match((await send('POST', "/odd-'name")).json, { value: /^shop POST \/odd-'name req-/ })
  t.match(
    (await send('POST', '/seen')).json,
    { application_name: /^shop POST \/seen req-/ },
    'who runs is seen from outside'
  )
  const { rows } = await pool.query(
    `select ${
      setting('application_name')
    }, current_setting('lock_timeout') as lock, current_setting('transaction_isolation') as isolation`
  )
  t.same(rows[0], { value: 'app', lock: '0', isolation: 'read committed' }, 'nothing outlives its transaction')
  t.ok(app.server.listening)
})

test('a server that was away at boot is asked for transaction_timeout with each BEGIN', async (t) => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  for (const away of [refused, new Error('timeout expired'), new ConnectionLostError('boot', 1)]) {
    const { send } = await setup(t, {
      database: db,
      plugin: (pool) => {
        const query = pool.query.bind(pool)
        const once = async () => {
          Object.assign(pool, { query })
          throw away
        }
        return { pool: Object.assign(pool, { query: once }), defaults: { transactionTimeout: 1400 } }
      },
      routes: (app) => {
        app.post(
          '/',
          transactional,
          async (request) => (await request.transaction.query(`select ${setting('transaction_timeout')}`)).rows[0]
        )
      }
    })
    t.match(await send('POST', '/'), { status: 200, json: { value: '1400ms' } }, away.message)
  }
})

test('the bounds of PostgreSQL end what is too slow', async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    routes: (app) => {
      const within = (options: RouteTransactionOptions) => ({ config: { transaction: options } })
      app.post(
        '/statement',
        within({ statementTimeout: 50 }),
        async (request) => await request.transaction.query('select pg_sleep(60)')
      )
      app.post(
        '/lock',
        within({ lockTimeout: 50 }),
        async (request) => await request.transaction.query('lock table item')
      )
      app.post('/idle', within({ idleInTransactionTimeout: 300 }), async (request) => {
        await request.transaction.query('select 1')
        await comesTrue(() => request.transaction.state === 'lost')
        return {}
      })
      app.post('/idle-then-query', within({ idleInTransactionTimeout: 300 }), async (request) => {
        await request.transaction.query('select 1')
        await comesTrue(() => request.transaction.state === 'lost')
        return await request.transaction.query('select 2')
      })
      app.post(
        '/whole',
        within({ transactionTimeout: 50 }),
        async (request) => await request.transaction.query('select pg_sleep(60)')
      )
      app.post(
        '/read-only',
        within({ accessMode: 'read only' }),
        async (request) => await request.transaction.query('insert into item values (1)')
      )
    }
  })
  const holder = await db.admin.connect()
  await holder.query('begin; lock table item')
  t.match(await send('POST', '/lock'), { status: 500, json: { code: '55P03' } })
  await holder.query('rollback')
  holder.release()
  t.match(await send('POST', '/statement'), { status: 500, json: { code: '57014' } })
  t.match(await send('POST', '/read-only'), { status: 500, json: { code: '25006' } })
  for (const path of ['/idle', '/idle-then-query']) {
    t.match(
      await send('POST', path),
      { status: 504, json: { code: 'TX_TIMEOUT' } },
      `${path}: the server ended it for its time`
    )
  }
  t.ok((await send('POST', '/whole')).status >= 500)
  t.ok(await comesTrue(() => pool.idleCount === pool.totalCount))
})

test('settings: who asks decides what the database shows', async (t) => {
  await db.admin.query(`
    create table note (id integer primary key, tenant text not null);
    insert into note values (1, 'red'), (2, 'blue'), (3, 'red');
    alter table note enable row level security;
    create policy own on note using (tenant = current_setting('app.tenant'));
    create role visitor nologin; grant visitor to current_user; grant select, insert on note to visitor`)
  t.teardown(async () => {
    await db.admin.query('drop table note; drop role visitor')
  })
  const { app, send, pool } = await setup(t, {
    database: db,
    plugin: (pool) => ({
      pool,
      defaults: {
        settings: (request) => ({
          role: 'visitor',
          'app.tenant': String(request.headers['x-tenant'] ?? (request.query as { tenant?: string }).tenant)
        })
      }
    }),
    routes: (app) => {
      app.post(
        '/notes',
        transactional,
        async (request) =>
          (await request.transaction.query('select id, current_user as role from note order by id')).rows
      )
      app.post(
        '/foreign',
        transactional,
        async (request) => await request.transaction.query("insert into note values (9, 'blue')")
      )
      app.post('/late', {
        config: { transaction: { settings: (request) => ({ 'app.tenant': String(request.headers['x-found']) }) } },
        preHandler: async (request) => {
          request.headers['x-found'] = 'red'
        }
      }, async (request) => (await request.transaction.query(`select ${setting('app.tenant')}`)).rows)
      const odd = (path: string, values: Record<string, string>) => {
        app.post(
          path,
          { config: { transaction: { settings: () => values } } },
          async (request) => (await request.transaction.query(`select ${setting('app.tenant')}`)).rows
        )
      }
      odd('/bad-name', { 'app.tenant; drop table note': 'x' })
      odd('/bad-value', { 'app.tenant': 5 as unknown as string })
      odd('/quotes', { 'app.tenant': "o'brien\\'; drop table note; --" })
      odd('/unknown', { no_such_setting: 'x' })
      app.post('/throws', {
        config: {
          transaction: {
            settings: () => {
              throw Object.assign(new Error('who are you?'), { statusCode: 401 })
            }
          }
        }
      }, async (request) => (await request.transaction.query('select 1')).rows)
    }
  })
  t.same((await send('POST', '/notes?tenant=red')).json, [{ id: 1, role: 'visitor' }, { id: 3, role: 'visitor' }])
  t.same((await send('POST', '/notes?tenant=blue')).json, [{ id: 2, role: 'visitor' }])
  t.match(
    await send('POST', '/foreign?tenant=red'),
    { status: 500, json: { code: '42501' } },
    'a write into another tenant is refused'
  )
  t.same(
    (await send('POST', '/late')).json,
    [{ value: 'red' }],
    'asked for when the transaction begins, after preHandlers'
  )
  t.match(await send('POST', '/bad-name'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/bad-value'), { status: 500, json: { code: 'TX_USAGE' } })
  t.same((await send('POST', '/quotes')).json, [{ value: "o'brien\\'; drop table note; --" }])
  t.match(await send('POST', '/unknown'), { status: 500, json: { code: 'TX_USAGE', message: /42704/ } })
  t.match(await send('POST', '/throws'), { status: 401 })
  const own = await app.transaction(
    async (transaction) => (await transaction.query(`select current_user as role, ${setting('app.tenant')}`)).rows,
    { settings: { role: 'visitor', 'app.tenant': 'blue' } }
  )
  t.same(own, [{ role: 'visitor', value: 'blue' }])
  const { rows } = await pool.query(
    "select current_user <> 'visitor' as own_role, current_setting('app.tenant', true) as tenant"
  )
  t.match(rows[0], { own_role: true, tenant: '' }, 'nothing outlives its transaction')
})

test('settings that are no settings refuse before anything is sent', async (t) => {
  const thenable = {
    then: (resolve: (value: object) => void) => {
      resolve({})
    }
  }
  const given: Record<string, [unknown, RegExp]> = {
    promise: [
      Promise.resolve({ role: 'x' }),
      /settings must return at once, not a promise; find out the tenant in a hook before/
    ],
    thenable: [thenable, /must return at once/],
    undefined: [undefined, /must be an object of texts, \{\} for none, not undefined/],
    null: [null, /not null/],
    text: ['app.tenant=red', /not a string/],
    list: [[['app.tenant', 'red']], /not a list/],
    map: [new Map([['app.tenant', 'red']]), /not an object of Map/],
    function: [() => ({ 'app.tenant': 'red' }), /not a function/],
    'value-undefined': [{ 'app.tenant': undefined }, /the value of app\.tenant must be a string, not undefined/],
    'value-number': [{ 'app.tenant': 5 }, /must be a string, not a number/],
    'value-list': [{ 'app.tenant': ['red'] }, /must be a string, not a list/],
    'value-zero': [{ 'app.tenant': 'red\0' }, /zero byte/],
    name: [{ 'app.tenant; select 1': 'red' }, /is not the name of a PostgreSQL setting/],
    unknown: [{ no_such_setting: 'x' }, /PostgreSQL refused a name or a value \(SQLSTATE 42704\)/],
    role: [{ role: 'no_such_role' }, /SQLSTATE 22023/]
  }
  const begun: string[] = []
  const { app, send } = await setup(t, {
    database: db,
    plugin: (pool) => {
      pool.on('acquire', () => {
        begun.push('a connection was taken')
      })
      return { pool, defaults: { settings: () => ({ 'app.tenant': 'red' }) } }
    },
    routes: (app) => {
      for (const [name, [value]] of Object.entries(given)) {
        const settings = () => value as Record<string, string>
        app.post(
          `/${name}`,
          { config: { transaction: { settings } } },
          async (request) => (await request.transaction.query('select 1')).rows
        )
        app.post(`/${name}/swallowed`, { config: { transaction: { settings } } }, async (request) => {
          await request.transaction.query('insert into item values (1)').catch(() => {})
          return {}
        })
      }
      app.post(
        '/none',
        { config: { transaction: { settings: () => ({}) } } },
        async (request) => (await request.transaction.query('select 1 as n')).rows
      )
      app.post(
        '/after-the-mistakes',
        transactional,
        async (request) => (await request.transaction.query(`select ${setting('app.tenant')}`)).rows
      )
    }
  })
  for (const [name, [, message]] of Object.entries(given)) {
    t.match(await send('POST', `/${name}`), { status: 500, json: { code: 'TX_USAGE', message } }, name)
    t.match(await send('POST', `/${name}/swallowed`), { status: 500, json: { code: 'TX_USAGE' } }, `${name}, swallowed`)
    if (name === 'name') t.same(begun, [], 'what the server need not be asked for takes no connection')
  }
  t.same(await db.ids(), [])
  t.match((await send('POST', '/none')).json, [{ n: 1 }], 'an empty object says none')
  t.match((await send('POST', '/after-the-mistakes')).json, [{ value: 'red' }])
  const job = async (settings?: unknown) =>
    await app.transaction(
      async (tx) => (await tx.query('select 1 as n')).rows,
      settings === undefined ? {} : { settings: settings as Record<string, string> }
    )
  await t.rejects(job(), {
    code: 'TX_USAGE',
    message: /the settings of the plugin's defaults are a function of a request/
  })
  await t.rejects(job(() => ({})), { code: 'TX_USAGE', message: /must be values here, not a function/ })
  await t.rejects(job(Promise.resolve({})), { code: 'TX_USAGE', message: /not a promise/ })
  t.same(await job({}), [{ n: 1 }])
})

test('every fact a route declares is in its schema', async (t) => {
  const described: Record<string, unknown> = {}
  await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, defaults: { lockTimeout: 5 } }),
    routes: (app) => {
      app.addHook('onRoute', ({ url, schema }) => {
        described[url] = (schema as { 'x-transaction'?: unknown } | undefined)?.['x-transaction']
      })
      app.post(
        '/described',
        { schema: {}, config: { transaction: { retries: 2, settings: () => ({}) } } },
        async () => ({})
      )
      app.get('/plain', { schema: {} }, async () => ({}))
    }
  })
  t.same(described['/described'], { store: 'sql', deadline: 15_000, lockTimeout: 5, retries: 2, settings: true })
  t.equal(described['/plain'], undefined)
})

test('the HEAD that Fastify adds has the transaction of its GET', async (t) => {
  const { app } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, methods: ['GET', 'PUT'] }),
    routes: (app) => {
      const tell = async (request: FastifyRequest, reply: FastifyReply) => {
        await request.transaction.query('insert into item values (1)')
        return await reply.code(409).send({})
      }
      app.get('/', tell)
      app.route({ method: ['GET', 'PUT'], url: '/two', handler: tell })
      app.route({ method: ['POST', 'GET'], url: '/first', handler: tell })
      app.get('/continue', { config: { transaction: { clientAbort: 'continue' } } }, tell)
      app.get('/constrained', { constraints: { host: 'a' } }, tell)
      app.register(async (child) => {
        child.get('/', tell)
      }, { prefix: '/prefix' })
      app.get('/out', { config: { transaction: false } }, async (request, reply) => {
        reply.header('x-error', request.routeOptions.config.transaction ? 'one' : 'none')
        return {}
      })
    }
  })
  for (const url of ['/', '/two', '/first', '/continue', '/constrained', '/prefix', '/prefix/']) {
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url, headers: { host: 'a' } })
      t.equal(answer.statusCode, 409, `${method} ${url}`)
    }
  }
  t.match(await app.inject({ method: 'HEAD', url: '/out' }), { statusCode: 200, headers: { 'x-error': 'none' } })
  t.same(await db.ids(), [], 'all was rolled back')
})

test('the HEAD of a GET that another method gave a transaction has it too', async (t) => {
  const { app } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, methods: ['PUT'] }),
    routes: (app) => {
      const state = async (request: FastifyRequest) => await request.transaction.query('select 1')
      app.route({ method: ['GET', 'PUT'], url: '/two', handler: state })
      app.get('/one', state)
    }
  })
  t.equal((await app.inject({ method: 'HEAD', url: '/two' })).statusCode, 200)
  t.equal((await app.inject({ method: 'HEAD', url: '/one' })).statusCode, 500, 'none has one')
})

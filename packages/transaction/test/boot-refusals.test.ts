// What route and plugin must not ask for keeps the app from starting.
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import type { Db } from 'mongodb'
import pg from 'pg'
import transaction, { type RouteTransactionOptions, type TransactionPluginOptions } from '../src/index.ts'
import { doubleClient, doubleDriver } from '../src/double.ts'
import { test, transactional } from './harness.ts'

/** Boots an app on a pool that no server answers; gives what it refused with. */
async function refusal (
  route: Partial<RouteOptions>,
  plugin: Partial<TransactionPluginOptions> = {},
  after?: (app: FastifyInstance) => unknown
): Promise<string> {
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
    [
      { isolation: 'serializable' },
      /isolation is not an option; did you mean isolationLevel\? Known are store, isolationLevel/
    ],
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
    [{ crossStore: 'hope' }, /crossStore must be one of/],
    [{ store: 'redis' }, /store must be one of/],
    [{ store: 'mongo' }, /store 'mongo' needs the plugin option mongo/],
    [{ store: 'mongo', lockTimeout: 5 }, /lockTimeout is an option of the sql store/],
    ['yes', /must be true, false/],
    [null, /not null; write config: \{ transaction: true \}/],
    [[], /not a list/],
    [[{ retries: 1 }], /not a list/],
    [new Map([['retries', 1]]), /not an object of Map/],
    [new Date(), /not an object of Date/],
    [() => true, /not a function/],
    [1, /not a number/],
    ['Statement', /must be true, false, 'statement'/],
    ['statement', /'statement' needs a response schema/]
  ]
  for (const [declared, expected] of wrong) {
    const message = await refusal({ config: { transaction: declared as RouteTransactionOptions } })
    t.match(message, expected, JSON.stringify(declared))
    if (message !== 'booted') t.match(message, /^config\.transaction of POST \/orders: /)
  }
  t.match(
    await refusal({
      config: { transaction: { isolationLevel: 'x', retries: 99 } as unknown as RouteTransactionOptions }
    }),
    /isolationLevel.*; retries/,
    'all mistakes at once'
  )
  t.equal(
    await refusal({
      config: {
        transaction: {
          isolationLevel: 'serializable',
          accessMode: 'read only',
          deferrable: true,
          deadline: 0,
          stream: true
        }
      }
    }),
    'booted'
  )
  t.match(
    await refusal({ config: { transaction: { stream: true, accessMode: 'read only' } } }, { defaults: { retries: 2 } }),
    /stream contradicts retries/,
    'together with the defaults'
  )
})

test('what the plugin must not be told refuses to boot', async (t) => {
  const pool = { pool: undefined } as unknown as Partial<TransactionPluginOptions>
  t.match(await refusal({}, pool), /give a pool/)
  t.match(await refusal({}, { defaults: { deadline: -5 } }), /defaults: deadline/)
  t.match(
    await refusal({}, { defaults: { unknown: 1 } as RouteTransactionOptions }),
    /defaults: unknown is not an option/
  )
  t.match(await refusal({}, { commitTimeout: -1 }), /commitTimeout must be/)
  t.match(await refusal({}, { beginTimeout: '1s' as unknown as number }), /beginTimeout must be/)
  t.match(await refusal({}, { checkoutTimeout: NaN }), /checkoutTimeout must be/)
  t.match(await refusal({}, { retryAfter: -1 }), /retryAfter must be/)
  t.match(await refusal({}, { methods: ['post'] }), /methods/)
  t.match(await refusal({}, { sql: doubleDriver() }), /pool or sql, not both/)
  t.match(
    await refusal({ config: { transaction: 'statement' }, schema: { response: { 200: {} } } }, {
      defaults: { settings: () => ({ role: 'tenant' }) }
    }),
    /'statement'.*settings/,
    "what defaults ask of every transaction, 'statement' cannot silently drop"
  )
})

test('transactionTimeout needs PostgreSQL 17', async (t) => {
  const begun: string[] = []
  const client = {
    on () {
      return client
    },
    removeListener () {
      return client
    },
    release () {},
    getTransactionStatus: () => 'I',
    query: async (text: string) => {
      begun.push(text)
      return await Promise.resolve({ command: 'COMMIT', rows: [] })
    }
  }
  const pool = {
    on () {
      return pool
    },
    removeListener () {
      return pool
    },
    connect: async () => await Promise.resolve(client),
    query: async () => await Promise.resolve({ rows: [{ server_version_num: '160004' }] })
  } as unknown as pg.Pool
  const declares = { config: { transaction: { transactionTimeout: 1000 } } }
  t.match(
    await refusal(declares, { pool }),
    /config\.transaction of POST \/orders: transactionTimeout needs PostgreSQL 17 or newer/
  )
  const app = Fastify()
  await app.register(transaction, { pool, defaults: { transactionTimeout: 1000, lockTimeout: 50 } })
  app.post('/', transactional, async (request) => {
    await request.transaction.query('select 1').catch(() => {})
  })
  await app.inject({ method: 'POST', url: '/' })
  t.match(
    begun[0],
    /^BEGIN; SET LOCAL lock_timeout = 50; SET LOCAL application_name/,
    'a default is left out on older servers'
  )
  await app.close()
  t.equal(await refusal(declares), 'booted', 'a server that is away does not keep the app from starting')
})

test('a declaration in the wrong place, or under a name that is nearly right, refuses to boot', async (t) => {
  const boots = async (route: object, plugin?: Partial<TransactionPluginOptions>) =>
    await refusal(route as Partial<RouteOptions>, plugin)
  const beside = ['transaction', 'transactions', 'Transaction', 'TRANSACTION', 'transacton', 'transactional']
  for (const key of beside) {
    for (const value of [true, false, {}, { isolationLevel: 'serializable' }, 'statement', null]) {
      const expected =
        `POST /orders has the option ${key} beside config, where it does nothing; write config: { transaction: true }`
      t.equal(await boots({ [key]: value }), expected)
    }
    t.equal(await boots({ [key]: undefined }), 'booted', 'undefined is not given')
  }
  for (const key of [...beside.slice(1), 'trans_action', 'transactoin', 'ttransaction']) {
    const expected =
      `POST /orders has config.${key}, which declares no transaction; write config: { transaction: true }`
    t.equal(await boots({ config: { [key]: true } }), expected)
    t.equal(await boots({ config: { [key]: { retries: 1 } } }, { methods: ['POST'] }), expected, 'also with methods')
    t.equal(await boots({ config: { transaction: true, [key]: true } }), expected, 'also beside one that is right')
  }
  t.match(await boots({ transaction: true, config: { transaction: true } }), /beside config/)
  for (const key of ['translation', 'transition', 'transactionId', 'transport', 'action', 'tx']) {
    t.equal(await boots({ config: { [key]: true }, [key]: true }), 'booted', `${key} is somebody else's`)
  }
})

test('the name of a registration is no declaration, in any case or plural', async (t) => {
  const plugin = { name: 'billing' }
  const boots = async (route: object) => await refusal(route as Partial<RouteOptions>, plugin)
  const write = "write config: { transaction: { name: 'billing' } }"
  for (const key of ['billing', 'Billing', 'BILLING', 'billings']) {
    t.equal(
      await boots({ config: { [key]: true } }),
      `POST /orders has config.${key}, which declares no transaction; ${write}`
    )
    t.equal(
      await boots({ [key]: { retries: 1 } }),
      `POST /orders has the option ${key} beside config, where it does nothing; ${write}`
    )
    t.equal(
      await boots({ config: { [key]: {}, transaction: { name: 'billing' } } }),
      'booted',
      "the app's own, beside one"
    )
  }
  t.match(await boots({ config: { transaction: null } }), /^config\.transaction of POST \/orders: .*not null/)
  t.match(
    await boots({ config: { transaction: { name: 'Billing' } } }),
    /^POST \/orders declares config\.transaction and has none/
  )
})

test('a route before the plugin, or outside its scope, is looked at as well', async (t) => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: 1 })
  for (const config of [{ transactions: true }, { transaction: null as never }]) {
    for (const place of ['before', 'outside']) {
      const app = Fastify()
      app.post('/orders', { config }, async () => ({}))
      if (place === 'before') app.register(transaction, { pool })
      else app.register(async (child) => await child.register(transaction, { pool }))
      await t.rejects(async () => await app.ready(), {
        code: 'TX_USAGE',
        message: /POST \/orders.*; write config: \{ transaction: true \}/
      })
      await app.close()
    }
  }
  await pool.end()
})

test("'statement' needs the schema of a success", async (t) => {
  const boots = async (response: object) =>
    await refusal({ config: { transaction: 'statement' }, schema: { response } })
  for (const status of ['200', '201', '204', '302', '2xx', '2XX', '3xx', 'default']) {
    t.equal(await boots({ [status]: {}, 409: {} }), 'booted', status)
  }
  for (const response of [{}, { 409: {} }, { '4xx': {}, 500: {} }, { 200: undefined }, { '1xx': {} }]) {
    t.match(
      await boots(response),
      /^config\.transaction of POST \/orders: 'statement' needs a response schema of its success/
    )
  }
})

test('where only MongoDB was given, the refusal says what to write', async (t) => {
  const mongo = { client: doubleClient(), db: {} as Db }
  const plugin = { pool: undefined, mongo } as unknown as Partial<TransactionPluginOptions>
  t.match(
    await refusal({ config: { transaction: true } }, plugin),
    /^config\.transaction of POST \/orders: store 'sql', the default, needs .* only mongo; write store: 'mongo'/
  )
  t.equal(await refusal({ config: { transaction: { store: 'mongo' } } }, plugin), 'booted')
  t.equal(await refusal({ config: { transaction: true } }, { ...plugin, defaults: { store: 'mongo' } }), 'booted')
})

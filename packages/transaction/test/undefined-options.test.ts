// An option that is written `undefined` is not given: the default below it holds, on a route, in the plugin's options
// and in a call.
import t from 'tap'
import type { CallOptions, RouteTransactionOptions, TransactionPluginOptions } from '../src/index.ts'
import { withoutUndefined } from '../src/options/checks.ts'
import { database, setup, test, type Database } from './harness.ts'
import { setting } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

/** What an app without types may write. */
const undefinedOptions = <Options>(...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, undefined])) as Options

const everyRouteOption = undefinedOptions<RouteTransactionOptions>(
  'store',
  'isolationLevel',
  'accessMode',
  'deferrable',
  'retries',
  'deadline',
  'statementTimeout',
  'lockTimeout',
  'idleInTransactionTimeout',
  'transactionTimeout',
  'stream',
  'streamIdleTimeout',
  'clientAbort',
  'settings',
  'crossStore'
)

const asked = ['app.tenant', 'transaction_isolation', 'transaction_read_only', 'lock_timeout', 'statement_timeout']
const selectAsked = `select ${asked.map((name) => `current_setting('${name}', true) as "${name}"`).join(', ')}`

test('undefined on a route leaves the defaults of the plugin on', async (t) => {
  const { send } = await setup(t, {
    database: db,
    plugin: (pool) => ({
      pool,
      ...undefinedOptions<TransactionPluginOptions>('sql', 'mongo', 'db', 'name', 'methods', 'retryAfter', 'observe'),
      ...undefinedOptions<TransactionPluginOptions>('bodyTimeout', 'closeTimeout', 'commitTimeout', 'resetSession'),
      defaults: {
        settings: () => ({ 'app.tenant': 'red' }),
        isolationLevel: 'serializable',
        accessMode: 'read only',
        lockTimeout: 1500,
        statementTimeout: 2500,
        deadline: 300
      }
    }),
    routes: (app) => {
      const config = { transaction: { ...everyRouteOption, name: undefined } as object }
      app.post('/', { config }, async (request) => (await request.transaction.query(selectAsked)).rows[0])
      app.post('/slow', { config }, async (request) => await request.transaction.query('select pg_sleep(5)'))
    }
  })
  t.same((await send('POST', '/')).json, {
    'app.tenant': 'red',
    transaction_isolation: 'serializable',
    transaction_read_only: 'on',
    lock_timeout: '1500ms',
    statement_timeout: '2500ms'
  })
  t.equal((await send('POST', '/slow')).json['code'], 'TX_TIMEOUT', 'the deadline of the defaults')
})

test('undefined in the defaults leaves the safe defaults on', async (t) => {
  const planned: Record<string, object> = {}
  await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, defaults: everyRouteOption }),
    routes: (app) => {
      const schema = { response: { 200: {} } }
      app.addHook('onRoute', (route) => {
        planned[route.url] = Object(Object(route.schema)['x-transaction']) as object
      })
      app.post('/plain', { schema, config: { transaction: true } }, async () => ({}))
      app.post('/own', { schema, config: { transaction: { ...everyRouteOption } as object } }, async () => ({}))
      const config = { transaction: { ...everyRouteOption, stream: true, accessMode: 'read only' } as const }
      app.post('/stream', { schema, config }, async () => ({}))
    }
  })
  t.match(planned['/plain'], { store: 'sql', deadline: 15_000 })
  t.match(planned['/own'], { store: 'sql', deadline: 15_000 })
  t.match(planned['/stream'], { deadline: 0, streamIdleTimeout: 15_000 })
})

test('undefined among the options of a call leaves the defaults on', async (t) => {
  const { app } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, defaults: { isolationLevel: 'serializable', accessMode: 'read only' } }),
    routes: () => {}
  })
  const names = ['name', 'settings', 'isolationLevel', 'accessMode', 'deadline', 'retries', 'store']
  const values = await app.transaction(
    async (transaction) =>
      (await transaction.query(
        `select ${setting('transaction_isolation')}, current_setting('transaction_read_only') as ro`
      )).rows[0],
    undefinedOptions<CallOptions>(...names)
  )
  t.same(values, { value: 'serializable', ro: 'on' })
})

test('undefined settings of a call do not get around those of the defaults', async (t) => {
  const { app } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, defaults: { settings: () => ({ 'app.tenant': 'red' }) } }),
    routes: () => {}
  })
  await t.rejects(app.transaction(async () => {}, undefinedOptions<CallOptions>('settings')), {
    code: 'TX_USAGE',
    message: /settings of its own, \{\} for none/
  })
})

test('only undefined is left out', async (t) => {
  t.strictSame(withoutUndefined({ a: undefined, b: null, c: 0, d: '', e: false }), { b: null, c: 0, d: '', e: false })
})

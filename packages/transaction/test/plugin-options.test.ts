// What the plugin is told: every wrong type and name is a sentence.
import pg from 'pg'
import t from 'tap'
import { optionMistakes, pluginMistakes } from '../src/options/route-options.ts'
import { doubleClient, doubleDriver } from '../src/double.ts'

const methods = (...names: string[]) => Object.fromEntries(names.map((name) => [name, () => {}]))

t.test('what is no pool is told by its name, with what to give instead', async (t) => {
  const wrong: Array<[unknown, RegExp]> = [
    ['postgres://localhost/x', /not a connection string: new pg\.Pool/],
    [new pg.Client(), /not a pg\.Client; it is one connection/],
    [pg.Pool, /not the class pg\.Pool; give new pg\.Pool\(\)/],
    [Object.assign(() => {}, methods('begin', 'unsafe', 'end')), /not postgres\.js/],
    [{ $connect () {}, $transaction () {}, user: {} }, /not a Prisma client/],
    [Object.assign(() => {}, methods('raw', 'transaction', 'select')), /not a Knex instance/],
    [methods('selectFrom', 'insertInto', 'transaction'), /not a Kysely instance; give the pg\.Pool/],
    [methods('createQueryRunner', 'initialize', 'query'), /not a TypeORM DataSource/],
    [methods('getQueryInterface', 'query'), /not a Sequelize instance/],
    [
      { $client: new pg.Pool(), ...methods('select') },
      /not a Drizzle database; give the pool it was made from, and db: drizzleHandles\(db\)/
    ],
    [{ $pool: {}, ...methods('tx') }, /not a database of pg-promise/],
    [{ connectionString: 'postgres://localhost/x' }, /not the options of a pool/],
    [5, /must be a pg\.Pool$/],
    [null, /must be a pg\.Pool$/],
    [{}, /connect\(\), on\(\)/]
  ]
  for (const [pool, expected] of wrong) t.match(pluginMistakes({ pool }).join(), expected, String(expected))
  t.same(pluginMistakes({ pool: new pg.Pool() }), [])
})

t.test('unknown names refuse and name the nearest known one', async (t) => {
  const wrong: Array<[Record<string, unknown>, RegExp]> = [
    [{ method: ['POST'] }, /method is not an option; did you mean methods\?/],
    [{ default: {} }, /did you mean defaults\?/],
    [{ detectOutsideQuerie: true }, /did you mean detectOutsideQueries\?/],
    [{ retires: 3 }, /retires is not an option of the plugin but of routes; write defaults: \{ retries \}/],
    [{ isolation: 'serializable' }, /write defaults: \{ isolationLevel \}/],
    [
      { connectionString: 'postgres://localhost/x' },
      /connectionString is not an option: the plugin opens no connections; give pool: new pg\.Pool/
    ],
    [{ something: 1 }, /something is not an option; known are pool, sql/],
    [{ toString: 1 }, /toString is not an option/],
    [{ unheardOf: undefined }, /unheardOf is not an option/]
  ]
  for (const [options, expected] of wrong) t.match(pluginMistakes(options).join(), expected, String(expected))
  t.same(pluginMistakes({ prefix: '/v1', logLevel: 'warn' }), [], 'what Fastify gives to every plugin')
  t.match(optionMistakes({ retires: 3 }, 'route').join(), /did you mean retries\?/)
  t.match(optionMistakes({ isolationlevel: 'serializable' }, 'route').join(), /did you mean isolationLevel\?/)
  t.match(optionMistakes({ settings: {} }, 'call').join(), /settings is not an option/)
})

t.test('wrong types', async (t) => {
  const client = doubleClient()
  const wrong: Array<[Record<string, unknown>, RegExp]> = [
    [{ db: new pg.Pool() }, /db must be \{ autocommit, bind \}/],
    [{ db: methods('select', 'transaction') }, /of a Drizzle database: drizzleHandles\(db\)/],
    [{ db: { bind: () => {} } }, /db must be/],
    [{ sql: {} }, /sql must be a driver/],
    [{ sql: { ...doubleDriver(), store: 'mongo' } }, /sql must be a driver/],
    [{ mongo: 'mongodb://localhost' }, /mongo must be \{ client, db \}/],
    [{ mongo: client }, /the client and one of its databases/],
    [{ mongo: { client } }, /db is a database: client\.db\(name\)/],
    [{ mongo: { client, db: 'shop' } }, /not its name/],
    [{ mongo: { client: methods('getClient'), db: {} } }, /give its getClient\(\)/],
    [{ mongo: { client, database: {} } }, /database is none of them/],
    [{ mongo: { client, db: {}, instance: 5 } }, /appName/],
    [{ methods: 'POST' }, /methods must be a list/],
    [{ methods: ['post'] }, /methods must be a list/],
    [{ defaults: [] }, /defaults must be an object/],
    [{ defaults: { retires: 1 } }, /defaults: retires is not an option; did you mean retries/],
    [{ detectOutsideQueries: 'no' }, /detectOutsideQueries must be true or false/],
    [{ resetSession: 1 }, /resetSession must be true or false/],
    [{ applicationName: 7 }, /applicationName must be a text/],
    [{ observe: {} }, /observe must be a function/],
    [{ name: 'two words' }, /name must be a name/],
    [{ name: '' }, /name must be a name/],
    [{ bodyTimeout: '1s' }, /bodyTimeout must be a whole number of milliseconds/],
    [{ closeTimeout: -1 }, /closeTimeout/],
    [{ retryAfter: 0.5 }, /retryAfter must be a whole number of seconds/]
  ]
  for (const [options, expected] of wrong) t.match(pluginMistakes(options).join(), expected, String(expected))
  t.same(
    pluginMistakes({
      sql: doubleDriver(),
      db: { autocommit: {}, bind: () => {} },
      mongo: { client, db: {}, instance: 'a' },
      name: 'orders',
      bodyTimeout: 0,
      closeTimeout: 0,
      resetSession: true,
      detectOutsideQueries: false,
      applicationName: '',
      observe: () => undefined,
      methods: []
    }),
    []
  )
  t.match(optionMistakes({ streamIdleTimeout: 5 }, 'route').join(), /streamIdleTimeout needs stream: true/)
  t.match(
    optionMistakes({ streamIdleTimeout: 'x', stream: true, accessMode: 'read only' }, 'route').join(),
    /milliseconds/
  )
  t.same(optionMistakes({ streamIdleTimeout: 5, stream: true, accessMode: 'read only' }, 'route'), [])
})

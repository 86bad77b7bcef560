import {
  isAnything,
  isBoolean,
  isFunction,
  isSeconds,
  isText,
  isTime,
  mistakesIn,
  type Check,
  type Checks
} from './checks.ts'

/** What people give instead of a pool, how it is told, and what to give. The first that fits counts. */
const notPools: ReadonlyArray<[string, (value: object) => boolean, string]> = [
  [
    'a Prisma client',
    (value) => '$connect' in value || '$queryRaw' in value,
    'Prisma keeps its connections to itself, so this plugin cannot begin its transactions'
  ],
  [
    'a Drizzle database',
    (value) => '$client' in value || ('_' in value && has(value, 'select')),
    'give the pool it was made from, and db: drizzleHandles(db)'
  ],
  ['a database of pg-promise', (value) => '$pool' in value, 'give its $pool'],
  [
    'a Knex instance',
    (value) => has(value, 'raw', 'transaction'),
    'give a pg.Pool; Knex can be put on it by the db option'
  ],
  [
    'postgres.js',
    (value) => has(value, 'begin', 'unsafe'),
    'postgres.js keeps its connections to itself; give a pg.Pool'
  ],
  [
    'a Kysely instance',
    (value) => has(value, 'selectFrom', 'insertInto'),
    'give the pg.Pool of its dialect; Kysely can be put on it by the db option'
  ],
  [
    'a TypeORM DataSource',
    (value) => has(value, 'createQueryRunner'),
    'TypeORM keeps its connections to itself; give a pg.Pool'
  ],
  [
    'a Sequelize instance',
    (value) => has(value, 'getQueryInterface'),
    'Sequelize keeps its connections to itself; give a pg.Pool'
  ],
  [
    'a pg.Client',
    (value) => has(value, 'connect', 'query', 'getTransactionStatus'),
    'it is one connection, and each request needs its own'
  ],
  [
    'the class pg.Pool',
    (value) => typeof value === 'function' && has(Object(Reflect.get(value, 'prototype')), 'connect'),
    'give new pg.Pool()'
  ],
  [
    'the options of a pool',
    (value) => ['connectionString', 'host', 'database', 'user'].some((name) => name in value),
    'give new pg.Pool() of them'
  ]
]

const isPool: Check = (value) => {
  if (typeof value === 'string') return 'must be a pg.Pool, not a connection string: new pg.Pool({ connectionString })'
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return 'must be a pg.Pool'
  const [what, , instead] = notPools.find(([, is]) => is(value)) ?? []
  if (what !== undefined) return `must be a pg.Pool, not ${what}; ${instead ?? ''}`
  return has(value, 'connect', 'on', 'removeListener')
    ? undefined
    : 'must be a pg.Pool: something with connect(), on() and removeListener()'
}

const isDriver: Check = (value) =>
  has(value, 'plan', 'open', 'isRetriable') && Reflect.get(Object(value), 'store') === 'sql'
    ? undefined
    : "must be a driver with store: 'sql', plan(), open() and isRetriable(), for example sqliteDriver(connections)"

const areHandles: Check = (value) => {
  if (has(value, 'bind') && Reflect.get(Object(value), 'autocommit') !== undefined) return undefined
  return `must be { autocommit, bind }${
    has(value, 'select', 'transaction')
      ? '; of a Drizzle database: drizzleHandles(db)'
      : ', where bind(client) returns a handle whose statements go through client.query()'
  }`
}

const isMongo: Check = (value) => {
  if (typeof value !== 'object' || value === null) return 'must be { client, db }'
  if (has(value, 'startSession')) return 'must be { client, db }: the client and one of its databases'
  const { client, db, instance, ...others } = value as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) return `must be { client, db, instance }; ${unknown} is none of them`
  if (has(client, 'getClient')) {
    return 'must be { client, db }; client is a connection of Mongoose: give its getClient()'
  }
  if (!has(client, 'startSession')) return 'must be { client, db }, where client is a MongoClient'
  if (typeof db === 'string') return 'must be { client, db }, where db is a database, not its name: client.db(name)'
  if ((typeof db !== 'object' && typeof db !== 'function') || db === null) {
    return 'must be { client, db }, where db is a database: client.db(name)'
  }
  return instance === undefined || (typeof instance === 'string' && instance !== '')
    ? undefined
    : "must be { client, db, instance }, where instance is the client's appName"
}

const twoPhaseChecks: Checks = {
  pair: isFunction('nothing that returns the name of the pair'),
  compare: isFunction('nothing that has the stores compared'),
  pool: isPool,
  table: (value) =>
    typeof value === 'string' && /^[a-z_]\w*(\.[a-z_]\w*)?$/.test(value)
      ? undefined
      : 'must be the name of a table in small letters, with or without its schema',
  collection: (value) =>
    typeof value === 'string' && /^[\w.-]+$/.test(value) ? undefined : 'must be the name of a collection'
}

const isTwoPhase: Check = (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return 'must be an object of options, such as {}'
  }
  const [mistake] = mistakesIn(value, twoPhaseChecks)
  return mistake && `has a mistake: ${mistake}`
}

const areMethods: Check = (value) => {
  const isMethod = (method: unknown) => typeof method === 'string' && method !== '' && method === method.toUpperCase()
  return Array.isArray(value) && value.every(isMethod)
    ? undefined
    : "must be a list of HTTP methods in capitals, for example ['POST', 'PUT']"
}

const isName: Check = (value) =>
  typeof value === 'string' && /^[a-z_$][\w$]*$/i.test(value)
    ? undefined
    : 'must be a name that can be written after a dot, for example orders'

/** The options of the plugin, and those that Fastify itself takes with every plugin. */
export const pluginChecks: Checks = {
  pool: isPool,
  sql: isDriver,
  db: areHandles,
  mongo: isMongo,
  twoPhase: isTwoPhase,
  name: isName,
  methods: areMethods,
  defaults: (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? undefined
      : 'must be an object of route options',
  checkoutTimeout: isTime,
  beginTimeout: isTime,
  pipelineBegin: isBoolean,
  commitTimeout: isTime,
  bodyTimeout: isTime,
  closeTimeout: isTime,
  retryAfter: isSeconds,
  resetSession: isBoolean,
  applicationName: isText,
  detectOutsideQueries: isBoolean,
  observe: isFunction('a transaction that has begun'),
  prefix: isAnything,
  logLevel: isAnything,
  logSerializers: isAnything
}

/** How @fastify/postgres is told where the database is. */
export const connectionOptions = [
  'connectionString',
  'host',
  'port',
  'user',
  'password',
  'database',
  'ssl',
  'max',
  'pg'
]

function has (value: unknown, ...methods: string[]): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return methods.every((name) => typeof Reflect.get(value, name) === 'function')
}

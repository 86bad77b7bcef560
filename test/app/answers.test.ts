import t from 'tap'
import { mapError, getDriverError, noteDatabaseError } from 'fastify-transaction'

function fault (properties: Record<string, unknown>, message = 'a message', cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), properties)
}

// As if they came from a connection of the service.
const noted = (properties: Record<string, unknown>) => noteDatabaseError(fault(properties))
const sql = (code: string, severity = 'ERROR') => noted({ code, severity })
const mongo = (name: string, properties: Record<string, unknown> = {}) => noted({ name, ...properties })
const sqlite = (extendedCode: string) =>
  noted({ name: 'LibsqlError', code: extendedCode.split('_').slice(0, 2).join('_'), extendedCode })

function meaning (error: unknown): string {
  const answer = mapError(error)
  return answer === undefined
    ? 'none'
    : `${answer.status} ${answer.type}${answer.retryAfter === undefined ? '' : ' retry'}`
}

t.test('PostgreSQL', async (t) => {
  const wanted: Record<string, string> = {
    23505: '409 duplicate',
    '23P01': '409 duplicate',
    23503: '409 reference',
    23001: '409 reference',
    23502: '422 value-refused',
    23514: '422 value-refused',
    22003: '422 value-refused',
    22021: '422 value-refused',
    '22P02': '422 value-refused',
    54001: '422 value-refused',
    40001: '503 write-conflict retry',
    '40P01': '503 write-conflict retry',
    40003: '500 outcome-unknown',
    '55P03': '503 lock-timeout retry',
    57014: '504 database-timeout',
    '25P03': '504 database-timeout',
    '25P04': '504 database-timeout',
    '57P01': '503 database-unavailable retry',
    '57P03': '503 database-unavailable retry',
    '08006': '503 database-unavailable retry',
    25006: '503 database-unavailable retry',
    '28P01': '503 database-unavailable retry',
    '3D000': '503 database-unavailable retry',
    53100: '503 out-of-resources retry',
    53300: '503 out-of-resources retry',
    58030: '503 out-of-resources retry',
    '25P02': '500 internal',
    42601: '500 internal',
    42501: '500 internal',
    XX000: '500 internal'
  }
  for (const [code, answer] of Object.entries(wanted)) t.equal(meaning(sql(code)), answer, code)
  t.equal(meaning(sql('08P01')), '500 internal', 'a protocol error in a session is our bug')
  t.equal(meaning(sql('08P01', 'FATAL')), '503 database-unavailable retry', 'but not while connecting')
})

t.test('node-postgres without a code, and the network', async (t) => {
  for (
    const [message, answer] of Object.entries({
      'timeout exceeded when trying to connect': '503 pool-exhausted retry',
      'Connection terminated unexpectedly': '503 database-unavailable retry',
      'Query read timeout': '504 database-timeout'
    })
  ) {
    t.equal(meaning(noteDatabaseError(new Error(message))), answer, message)
    t.equal(meaning(new Error(message)), 'none', `${message}: from elsewhere`)
  }
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']) {
    t.equal(meaning(noteDatabaseError(fault({ code }))), '503 database-unavailable retry', code)
    t.equal(meaning(fault({ code })), 'none', `${code}: a connection of somebody else`)
  }
  t.equal(
    meaning(fault({ query: 'select 1', params: [] }, 'Failed query', noted({ code: 'ECONNREFUSED' }))),
    '503 database-unavailable retry',
    'wrapped by Drizzle'
  )
  t.equal(
    meaning(fault({ query: 'select 1', params: [] }, 'Failed query', fault({ code: 'ECONNREFUSED' }))),
    'none',
    "Drizzle on another pool than the service's"
  )
  t.equal(
    meaning(new TypeError('fetch failed', { cause: fault({ code: 'ECONNREFUSED' }) })),
    'none',
    'another service that is down is not our database'
  )
})

t.test('SQLite', async (t) => {
  const wanted: Record<string, string> = {
    SQLITE_CONSTRAINT_UNIQUE: '409 duplicate',
    SQLITE_CONSTRAINT_PRIMARYKEY: '409 duplicate',
    SQLITE_CONSTRAINT_FOREIGNKEY: '409 reference',
    SQLITE_CONSTRAINT_CHECK: '422 value-refused',
    SQLITE_CONSTRAINT_NOTNULL: '422 value-refused',
    SQLITE_TOOBIG: '422 value-refused',
    SQLITE_BUSY: '503 lock-timeout retry',
    SQLITE_BUSY_SNAPSHOT: '503 write-conflict retry',
    SQLITE_INTERRUPT: '504 database-timeout',
    SQLITE_FULL: '503 out-of-resources retry',
    SQLITE_CANTOPEN_ISDIR: '503 database-unavailable retry',
    SQLITE_ERROR: '500 internal'
  }
  for (const [code, answer] of Object.entries(wanted)) t.equal(meaning(sqlite(code)), answer, code)
})

t.test('MongoDB', async (t) => {
  const codes: Record<number, string> = {
    11000: '409 duplicate',
    121: '422 document-refused',
    112: '503 write-conflict retry',
    251: '503 write-conflict retry',
    24: '503 lock-timeout retry',
    50: '504 database-timeout',
    64: '500 outcome-unknown',
    10334: '413 document-too-large',
    10107: '503 database-unavailable retry',
    91: '503 database-unavailable retry',
    18: '503 database-unavailable retry',
    14031: '503 out-of-resources retry',
    14: '422 value-refused',
    2: '500 internal'
  }
  for (const [code, answer] of Object.entries(codes)) {
    t.equal(meaning(mongo('MongoServerError', { code: Number(code) })), answer, code)
  }
  t.equal(meaning(mongo('MongoServerSelectionError')), '503 database-unavailable retry')
  t.equal(meaning(mongo('MongoNetworkTimeoutError')), '503 database-unavailable retry')
  t.equal(meaning(mongo('MongoTopologyClosedError')), '503 database-unavailable retry')
  t.equal(meaning(mongo('MongoWaitQueueTimeoutError')), '503 pool-exhausted retry')
  t.equal(
    meaning(mongo('MongoServerError', { errorLabelSet: new Set(['UnknownTransactionCommitResult']), code: 50 })),
    '500 outcome-unknown',
    'a label tells more than a code'
  )
  t.equal(
    meaning(mongo('MongoServerError', { errorLabels: ['TransientTransactionError'] })),
    '503 write-conflict retry'
  )
  t.equal(meaning(mongo('BSONError')), '422 value-refused')
  t.equal(meaning(mongo('MongoInvalidArgumentError')), '500 internal')
})

t.test("the transaction's own errors count before their cause", async (t) => {
  const wanted: Record<string, string> = {
    TX_CLOSED: '500 internal',
    TX_CLIENT_GONE: '499 client-error',
    TX_ABORTED: '500 internal',
    TX_USAGE: '500 internal',
    TX_OUTCOME_UNKNOWN: '500 outcome-unknown',
    TX_TIMEOUT: '504 database-timeout',
    TX_POOL_TIMEOUT: '503 pool-exhausted retry',
    TX_CONNECTION_LOST: '503 database-unavailable retry'
  }
  for (const [code, answer] of Object.entries(wanted)) {
    t.equal(meaning(fault({ code }, 'a sentence', sql('23505'))), answer, code)
  }
})

t.test('what is no database error has no answer', async (t) => {
  for (
    const error of [
      new Error('a bug'),
      new TypeError('a bug'),
      fault({ code: 'EPERM1' }),
      fault({ code: 'ABCDE' }),
      'a text',
      undefined,
      null,
      { code: '23505', severity: 'ERROR' }
    ]
  ) {
    t.equal(mapError(error), undefined)
  }
})

t.test('the same errors of a client that is not of the service have no answer', async (t) => {
  for (
    const error of [
      fault({ code: '23505', severity: 'ERROR' }),
      fault({ code: '28P01', severity: 'FATAL' }),
      fault({ code: '40001', severity: 'ERROR' }),
      fault({ name: 'MongoServerError', code: 11000 }),
      fault({ name: 'MongoServerSelectionError' }),
      fault({ name: 'BSONError' }),
      fault({ name: 'SqliteError', code: 'SQLITE_BUSY' }),
      new AggregateError([fault({ code: '23505', severity: 'ERROR' })])
    ]
  ) {
    t.equal(meaning(error), 'none')
    t.equal(getDriverError(error), undefined)
  }
})

t.test('what an error of the database was caused by is of the database, and so is one among several', async (t) => {
  const cause = fault({ code: '57P03', severity: 'FATAL' })
  t.equal(meaning(noteDatabaseError(new Error('no host answers', { cause }))), '503 database-unavailable retry')
  t.equal(meaning(new AggregateError([new Error('one'), sql('23505')])), '409 duplicate')
  t.equal(meaning(new Error('outer', { cause: new AggregateError([sql('23505')]) })), '409 duplicate')
})

t.test('the error of the driver is found inside wrappers', async (t) => {
  const inner = sql('23505')
  t.equal(getDriverError(fault({ query: 'insert …' }, 'Failed query', inner)), inner)
  t.equal(getDriverError(new Error('outer', { cause: new Error('inner', { cause: inner }) })), inner)
  t.equal(getDriverError(new Error('nothing')), undefined)
  const circular = new Error('circular')
  circular.cause = circular
  t.equal(mapError(circular), undefined, 'and a circle of causes ends')
})

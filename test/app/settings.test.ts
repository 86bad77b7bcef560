import t from 'tap'
import { maskSettings, readSettings, SettingsError, getPlace, type DatabaseUse } from '../../plugins/config.ts'
import { SettingsSchema } from '../../schemas/settings.ts'

const urls = {
  DATABASE_URL: 'postgres://tandem:s3cret@db.example.com:5433/app?sslmode=require',
  MONGODB_URL: 'mongodb://ops:s3cret@a.example.com:1,b.example.com:2/?replicaSet=rs'
}

function getLines (environment: Record<string, unknown>, databases: DatabaseUse = 'started'): string[] {
  try {
    readSettings(environment, {}, databases)
    return []
  } catch (error) {
    if (error instanceof SettingsError) return error.lines
    throw error
  }
}

t.test('defaults are those of the documentation', async (t) => {
  const settings = readSettings({})
  t.match(settings, {
    NODE_ENV: 'development',
    MONGODB_DATABASE: 'tandem',
    DATA_DIR: '.data',
    HOST: '127.0.0.1',
    PORT: 3000,
    LOG_LEVEL: 'info',
    DATABASE_POOL_SIZE: 20,
    DATABASE_MAX_OVERFLOW: 30,
    DATABASE_POOL_TIMEOUT_MS: 30_000,
    DATABASE_POOL_RECYCLE_S: 3600,
    DATABASE_PRE_PING: true,
    DATABASE_PIPELINE: true,
    DATABASE_ECHO: false,
    DATABASE_POOL_MAX_WAITING: 2000,
    DATABASE_LOCK_TIMEOUT_MS: 2000,
    DATABASE_STATEMENT_TIMEOUT_MS: 5000,
    DATABASE_TRANSACTION_TIMEOUT_MS: 10_000,
    HANDLER_TIMEOUT_MS: 15_000,
    SHUTDOWN_DELAY_MS: 0,
    SHUTDOWN_GRACE_MS: 20_000,
    READY_WHEN: 'any',
    DOCS: true,
    SEED: true
  })
  t.notOk('DATABASE_URL' in settings)
  t.notOk('ADMIN_PORT' in settings)
  t.throws(
    () => {
      Object.assign(settings, { PORT: 1 })
    },
    TypeError,
    'they are frozen'
  )
})

t.test('the environment decides, overrides win, empty means unset', async (t) => {
  const settings = readSettings({ PORT: '8080', LOG_LEVEL: '', DATABASE_ECHO: 'true', DOCS: 'false', UNKNOWN: 'x' }, {
    PORT: 9090
  })
  t.equal(settings.PORT, 9090)
  t.equal(settings.LOG_LEVEL, 'info')
  t.equal(settings.DATABASE_ECHO, true)
  t.equal(settings.DOCS, false)
  t.notOk('UNKNOWN' in settings)
})

t.test('documentation and sample rows are for development', async (t) => {
  t.match(readSettings({ NODE_ENV: 'production', ...urls }), {
    DOCS: false,
    SEED: false,
    SHUTDOWN_DELAY_MS: 5000
  })
  t.match(readSettings({ NODE_ENV: 'test' }), { DOCS: true, SEED: false })
  t.match(readSettings({ NODE_ENV: 'production', DOCS: 'true', ...urls }), { DOCS: true })
})

t.test('all wrong settings are named at once, one line each', async (t) => {
  const lines = getLines({
    PORT: 'abc',
    ADMIN_PORT: '70000',
    LOG_LEVEL: 'loud',
    NODE_ENV: 'staging',
    DATABASE_PRE_PING: 'yes',
    DATABASE_POOL_SIZE: '0',
    MONGODB_DATABASE: 'a b',
    HANDLER_TIMEOUT_MS: '1.5'
  })
  t.strictSame([...lines].sort(), [
    'ADMIN_PORT must be a whole number from 0 to 65535, not "70000"',
    'DATABASE_POOL_SIZE must be a whole number from 1 to 10000, not "0"',
    'DATABASE_PRE_PING must be true or false, not "yes"',
    'HANDLER_TIMEOUT_MS must be a whole number from 1 to 3600000, not "1.5"',
    'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, not "loud"',
    'MONGODB_DATABASE must be a name of 1 to 63 letters, digits, _ or -, not "a b"',
    'NODE_ENV must be one of development, test, production, not "staging"',
    'PORT must be a whole number from 0 to 65535, not "abc"'
  ])
})

t.test('a wrong setting does not hide a contradiction between others', async (t) => {
  const lines = getLines({ PORT: 'abc', DATABASE_LOCK_TIMEOUT_MS: '5000' })
  t.equal(lines.length, 2)
  t.match(lines.join('\n'), 'DATABASE_LOCK_TIMEOUT_MS (5000) must be smaller than DATABASE_STATEMENT_TIMEOUT_MS (5000)')
})

t.test('each wait must end before the one around it', async (t) => {
  const { properties } = SettingsSchema
  const order = [
    'DATABASE_LOCK_TIMEOUT_MS',
    'DATABASE_STATEMENT_TIMEOUT_MS',
    'DATABASE_TRANSACTION_TIMEOUT_MS',
    'HANDLER_TIMEOUT_MS'
  ] as const
  const defaults = order.map((name) => properties[name].default as number)
  t.strictSame(defaults, [...defaults].sort((one, other) => one - other), 'the defaults are in order')
  for (const [at, name] of order.slice(0, -1).entries()) {
    const outer = order[at + 1] ?? name
    t.match(
      getLines({ [name]: String(properties[outer].default) }).join('\n'),
      `${name} (`,
      `${name} may not reach ${outer}`
    )
  }
})

t.test('production must be told both databases', async (t) => {
  const lines = getLines({ NODE_ENV: 'production' })
  t.equal(lines.length, 2)
  t.match(lines[0], /^DATABASE_URL must be set when NODE_ENV is production/)
  t.match(lines[1], /^MONGODB_URL must be set when NODE_ENV is production/)
  t.strictSame(getLines({ NODE_ENV: 'production' }, 'none'), [], 'but not where no database is used')
  t.strictSame(getLines({ NODE_ENV: 'production', ...urls }), [])
})

t.test('secrets are never shown', async (t) => {
  const lines = getLines({ DATABASE_URL: 'mysql://root:s3cret@db/x', MONGODB_URL: 'http://root:s3cret@db/x' })
  t.equal(lines.length, 2)
  t.notMatch(lines.join('\n'), /s3cret|root/)
  t.match(getLines({ DATABASE_URL: 'postgres://user:s3/cr#et@db.example.com:70000/x' }).join('\n'), /percent-encoded/)
  const shown = JSON.stringify(maskSettings(readSettings(urls)))
  t.notMatch(shown, /s3cret|ops|sslmode/)
  t.match(shown, 'postgres://db.example.com:5433/app')
  t.match(shown, 'mongodb://a.example.com:1,b.example.com:2/')
})

t.test('the place of a database is its host and name', async (t) => {
  t.equal(getPlace(urls.DATABASE_URL), 'db.example.com:5433/app')
  t.equal(getPlace('postgres://db.example.com/app'), 'db.example.com/app')
  t.equal(
    getPlace('postgres://user:p@ss@db.example.com/app'),
    'db.example.com/app',
    'also when the password holds an @'
  )
  t.equal(getPlace('postgres://user:p/a?s#s@db.example.com/app?x=1'), 'db.example.com/app', 'or any other character')
  t.equal(getPlace('file:app.db'), 'file:app.db')
})

t.test('only proxies that are named are trusted', async (t) => {
  for (const good of ['10.0.0.1', '10.0.0.0/8, 2001:db8::/32', 'loopback,uniquelocal']) {
    t.strictSame(getLines({ TRUST_PROXY: good }), [], good)
  }
  for (
    const bad of ['true', '1', '10.0.0.0/33', '10.0.0.0/0', '10.0.0.1,', 'proxy.example.com', '10.0.0.0/8/8', '::1/129']
  ) {
    t.strictSame(getLines({ TRUST_PROXY: bad }), [
      `TRUST_PROXY must be the addresses or networks of your proxies, separated by commas, such as 10.1.2.3 or 10.0.0.0/8, not "${bad}"`
    ])
  }
})

t.test('two listeners need two ports', async (t) => {
  t.match(getLines({ PORT: '4000', ADMIN_PORT: '4000' }).join(), 'ADMIN_PORT and PORT are both 4000')
  t.strictSame(getLines({ PORT: '0', ADMIN_PORT: '0' }), [], 'free ports differ')
})

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { build } from '../helper.ts'
import { until } from '../until.ts'
import { admin, PATIENT, post, SMALL, survivor } from './service.ts'
import { isWell, newEmail } from './well.ts'

const SHORT = {
  ...SMALL,
  DATABASE_LOCK_TIMEOUT_MS: 300,
  DATABASE_STATEMENT_TIMEOUT_MS: 600,
  DATABASE_TRANSACTION_TIMEOUT_MS: 1200,
  HANDLER_TIMEOUT_MS: 2000
}
const WRITE = "insert into users (name, email) values ('x', 'too-late@example.com')"

t.test('F15 the pool is exhausted', async (t) => {
  const app = await build(t, {
    settings: {
      ...PATIENT,
      PROJECTIONS: false,
      DATABASE_POOL_SIZE: 2,
      DATABASE_MAX_OVERFLOW: 0,
      DATABASE_POOL_TIMEOUT_MS: 1500
    }
  })
  const url = String(app.config.DATABASE_URL)
  const { pool } = app.pg
  // The pool timeout bounds connecting too, and that failure has another type.
  await until('both connections are open', async () => {
    for (const taken of await Promise.allSettled([pool.connect(), pool.connect()])) {
      if (taken.status === 'fulfilled') taken.value.release()
    }
    return pool.totalCount === 2
  })
  const holder = await admin(t, url)
  await holder.query('begin; lock table users in access exclusive mode')
  const waiting = Array.from({ length: 50 }, () => post(app, '/users', { name: 'Ada', email: newEmail() }))
  const answers: Array<Awaited<ReturnType<typeof post>>> = []
  for (const one of waiting) {
    one.then((answer) => {
      answers.push(answer)
    }, () => {})
  }
  await until('both connections are taken', () => pool.waitingCount > 0)
  for (
    const [method, path, status] of [['GET', '/livez', 200], ['GET', '/nowhere', 404], ['GET', '/users/x', 400], [
      'OPTIONS',
      '/users',
      405
    ], ['POST', '/users', 400]] as const
  ) {
    t.equal(
      (await app.inject({ method, url: path, ...(method === 'POST' && { payload: {} }) })).statusCode,
      status,
      `${method} ${path} needs no connection`
    )
  }
  await until('all but two are answered', () => answers.length === 48)
  t.ok(
    answers.every(({ status, type, retryAfter }) =>
      status === 503 && type === 'pool-exhausted' && retryAfter !== undefined
    ),
    JSON.stringify(answers[0])
  )
  await holder.query('rollback')
  t.equal((await Promise.all(waiting)).filter(({ status }) => status === 201).length, 2)
  await isWell(t, survivor(app, url))
})

t.test('the bounds of a transaction end what waits in it', async (t) => {
  const app = await build(t, {
    settings: SHORT,
    plugins: async (app) => {
      app.post('/slow', async (request) => {
        await request.transaction.query(WRITE)
        await request.transaction.query('select pg_sleep(60) /* F17 */')
        return {}
      })
      app.post('/idle', async (request) => {
        await request.transaction.query(WRITE)
        await until('the server has ended it', () => request.transaction.state === 'lost')
        return {}
      })
      app.post('/never', async (request) => {
        await request.transaction.query(WRITE)
        await sleep(3_600_000, undefined, { ref: false })
        return {}
      })
    }
  })
  const url = String(app.config.DATABASE_URL)
  const other = await admin(t, url)
  const users = async () => (await other.query('select 1 from users')).rowCount

  await t.test('F17 a slow statement', async (t) => {
    t.match(await post(app, '/slow', {}), { status: 504, type: 'database-timeout' })
    await until(
      'the server has ended it',
      async () =>
        (await other.query(
          "select 1 from pg_stat_activity where state = 'active' and query like '%/* F17 */' and pid <> pg_backend_pid()"
        )).rowCount === 0
    )
    t.equal(await users(), 0, 'rolled back')
    await isWell(t, survivor(app, url))
    await other.query('delete from users')
  })

  await t.test('F18 a lock is held by somebody else', async (t) => {
    await other.query('begin; lock table users in access exclusive mode')
    t.match(await post(app, '/users', { name: 'Ada', email: newEmail() }), {
      status: 503,
      type: 'lock-timeout',
      retryAfter: /\d/
    })
    await other.query('rollback')
    t.equal(await users(), 0, 'rolled back')
    await isWell(t, survivor(app, url))
    await other.query('delete from users')
  })

  await t.test('F19 a handler leaves its transaction idle', async (t) => {
    t.match(await post(app, '/idle', {}), { status: 504, type: 'database-timeout' })
    t.equal(await users(), 0, 'rolled back')
    await isWell(t, survivor(app, url))
    await other.query('delete from users')
  })

  await t.test('F34 a handler that never answers', async (t) => {
    t.match(await post(app, '/never', {}), { status: 504, type: 'database-timeout' })
    t.equal(await users(), 0, 'rolled back')
    await isWell(t, survivor(app, url))
  })
})

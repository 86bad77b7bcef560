// What comes after the transaction: callbacks, and what the log tells about it.
import t from 'tap'
import { database, logLines, signal, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('after-commit callbacks', async (t) => {
  const { lines, logger } = logLines()
  const events: string[] = []
  const slow = signal()
  const { send, app, pool } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app, pool) => {
      app.post('/three', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.afterCommit(async () => {
          const { rows } = await pool.query('select 1 from item')
          events.push(`first sees ${rows.length}`)
        })
        request.transaction.afterCommit(() => {
          throw new Error('the second callback failed')
        })
        request.transaction.afterCommit(() => {
          events.push(`third, ${request.transaction.state}`)
        })
        return {}
      })
      app.post('/conflict', transactional, async (request, reply) => {
        await insert(request, 2)
        request.transaction.afterCommit(() => {
          events.push('after a rollback')
        })
        return await reply.code(409).send({})
      })
      app.post('/orphan', transactional, async (request) => {
        await request.transaction.query('insert into child values (1, 99)')
        request.transaction.afterCommit(() => {
          events.push('after a failed COMMIT')
        })
        return {}
      })
      app.post('/slow', transactional, async (request) => {
        await insert(request, 3)
        request.transaction.afterCommit(async () => {
          await slow.given
          await pool.query('select 1')
          events.push('slow one')
        })
        return {}
      })
    }
  })
  t.equal((await send('POST', '/three')).status, 200)
  await comesTrue(() => events.length === 2)
  t.same(events, ['first sees 1', 'third, committed'], 'in order, after the COMMIT, whatever one of them does')
  t.ok(lines.some((line) => line['msg'] === 'an after-commit callback failed'))
  t.equal((await send('POST', '/conflict')).status, 409)
  t.equal((await send('POST', '/orphan')).status, 500)
  t.equal((await send('POST', '/slow')).status, 200, 'the reply does not wait')
  const closing = app.close()
  setTimeout(slow.give, 50)
  await closing
  t.same(events.slice(2), ['slow one'], 'closing waits; nothing ran after a rollback')
  t.equal(pool.ending, false, 'the plugin never ends a pool it was given')
})

test('the log line of the request tells about its transaction', async (t) => {
  const { lines, logger } = logLines()
  const { send, pool } = await setup(t, {
    database: db,
    fastify: { logger },
    pool: { max: 1 },
    routes: (app) => {
      app.post('/two', transactional, async (request) => {
        await insert(request, 1)
        await insert(request, 2)
        return {}
      })
      app.post('/no', { config: { transaction: { retries: 1 } } }, async (request, reply) => {
        await insert(request, 3)
        if (request.transaction.attempt === 1) {
          throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        }
        return await reply.code(409).send({})
      })
      app.post('/quiet', transactional, async () => ({}))
      app.post('/starved', transactional, async (request) => await insert(request, 4))
    }
  })
  const completed = () => lines.filter((line) => line['msg'] === 'request completed').at(-1)?.['transaction']
  await send('POST', '/two')
  t.match(completed(), { store: 'sql', outcome: 'committed', attempts: 1, statements: 2, milliseconds: Number })
  await send('POST', '/no')
  t.match(completed(), { outcome: 'rolled_back', attempts: 2, statements: 1 })
  await send('POST', '/quiet')
  t.equal(completed(), undefined, 'no statement, nothing to tell')
  const holder = await pool.connect()
  pool.options.connectionTimeoutMillis = 50
  await send('POST', '/starved')
  t.match(completed(), { outcome: 'failed', statements: 0 }, 'a transaction that could not begin is told too')
  holder.release()
})

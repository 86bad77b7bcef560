// A statement that fails, COMMIT included, never becomes a success.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { database, logLines, setup, test, transactional, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('F25 a failed statement whose error was swallowed never becomes a success', async (t) => {
  const { lines, logger } = logLines()
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.post('/swallowed', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('insert into item values ($1, $2)', [1, 'secret value']).catch(() => {})
        return {}
      })
      app.post('/wrong-value', transactional, async (request) => {
        await request.transaction.query('select $1::integer', ['secret value']).catch(() => {})
        return {}
      })
      app.post('/floating-failure', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.query('insert into item values (1)').catch(() => {})
        return {}
      })
      app.post('/floating-first', transactional, async (request) => {
        request.transaction.query('select 1 / 0').catch(() => {})
        return {}
      })
      app.post('/floating-success', transactional, async (request) => {
        insert(request, 7).catch(() => {})
        return {}
      })
      app.post('/all', transactional, async (request) => {
        await Promise.all([insert(request, 1), request.transaction.query('select 1 / 0'), insert(request, 2)])
        return {}
      })
    }
  })
  for (const path of ['/swallowed', '/wrong-value', '/floating-failure', '/floating-first', '/all']) {
    const answer = await send('POST', path)
    t.equal(answer.status, 500, path)
    t.notMatch(answer.text, /insert into|select|secret/, `${path}: no SQL in the reply`)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
  const swallowed = lines.find((line) => /went on after a failed statement/.test(String(line['msg'])))
  t.equal(swallowed?.['statement'], 'insert into item values ($1, $2)', 'the log names the first failed statement')
  t.notMatch(JSON.stringify(lines), /secret value/, 'and no value')
  t.equal((await send('POST', '/floating-success')).status, 200)
  t.same(await db.ids(), [7], 'a statement nobody awaited is committed with the rest')
})

test('F26 COMMIT fails: one release, and nobody else is touched', async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1 },
    routes: (app) => {
      app.post('/orphan', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('insert into child values (1, 99)')
        await sleep(20)
        return {}
      })
      app.post('/throws', transactional, async (request) => {
        await insert(request, 2)
        await sleep(20)
        await insert(request, 3)
        throw new Error('no')
      })
      app.post('/works', transactional, async (request) => {
        await insert(request, 4)
        return {}
      })
    }
  })
  t.equal((await send('POST', '/orphan')).status, 500)
  t.equal(pool.totalCount, 1, 'the connection is kept: the server has answered')
  const answers = await Promise.all([send('POST', '/orphan'), send('POST', '/throws'), send('POST', '/works')])
  t.same(answers.map(({ status }) => status), [500, 500, 200])
  t.same(await db.ids(), [4])
  t.same(await db.ids('child'), [])
})

test('F26 COMMIT fails while the handler goes on and an onError hook takes its time', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.addHook('onError', async () => {
        await sleep(50)
      })
      app.post('/orphan', transactional, async (request, reply) => {
        await request.transaction.query('insert into child values (1, 99)')
        void reply.send({ stored: true })
        await sleep(30)
      })
    }
  })
  t.equal((await send('POST', '/orphan')).status, 500)
  t.same(await db.ids('child'), [])
})

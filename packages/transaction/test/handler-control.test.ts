// The handler that commits or rolls back by itself, openly or hidden in a statement.
import t from 'tap'
import { database, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('the handler may settle by itself', async (t) => {
  let commitError: unknown
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/commit', transactional, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.commit()
        reply.code(409)
        return { state: request.transaction.state }
      })
      app.post('/rollback', transactional, async (request) => {
        await insert(request, 2)
        await request.transaction.rollback()
        return { state: request.transaction.state }
      })
      app.post('/dry-run', transactional, async (request) => {
        await insert(request, 3)
        request.transaction.setRollbackOnly()
        request.transaction.afterCommit(() => {
          t.fail('runs after a rollback')
        })
        return { state: request.transaction.state }
      })
      app.post('/dry-commit', transactional, async (request) => {
        await insert(request, 4)
        request.transaction.setRollbackOnly()
        await request.transaction.commit()
        return { state: request.transaction.state }
      })
      app.post('/failed-commit', transactional, async (request) => {
        await request.transaction.query('insert into child values (1, 99)')
        await request.transaction.commit().catch(() => {})
        return {}
      })
      app.post('/rollback-commit', transactional, async (request) => {
        await insert(request, 4)
        await request.transaction.rollback()
        await request.transaction.commit()
      })
      app.post('/too-late-to-commit', { config: { transaction: { deadline: 20 } } }, async (request) => {
        await insert(request, 4).catch(() => {})
        await comesTrue(() => request.transaction.state === 'rolled back')
        commitError = await request.transaction.commit().catch((thrown: unknown) => thrown)
      })
      app.post('/late', transactional, async (request) => {
        await insert(request, 5)
        await request.transaction.commit()
        await insert(request, 6)
      })
      app.post('/late-callback', transactional, async (request) => {
        await request.transaction.commit()
        request.transaction.afterCommit(() => {})
      })
      app.post('/without', async (request) => request.transaction.state)
      app.post('/tx-control', transactional, async (request) => {
        const refused = []
        for (
          const text of [
            'COMMIT',
            ' rollback',
            '-- so\nbegin',
            '/* x */;end',
            'start transaction',
            'abort',
            "prepare transaction 'x'",
            'Commit and chain'
          ]
        ) {
          const error = await request.transaction.query(text).catch((thrown: Error) => thrown)
          refused.push(error instanceof Error && 'code' in error && error.code === 'TX_USAGE')
        }
        await request.transaction.query('savepoint one')
        await request.transaction.query('select 1 / 0').catch(() => {})
        await request.transaction.query('rollback to savepoint one')
        await request.transaction.query('rollback work to one')
        await request.transaction.query('release savepoint one')
        await insert(request, 7)
        return { refused: refused.filter(Boolean).length }
      })
    }
  })
  t.match(await send('POST', '/commit'), { status: 409, json: { state: 'committed' } })
  t.same(await db.ids(), [1], 'an explicit commit stands whatever follows')
  t.match(await send('POST', '/rollback'), { status: 200, json: { state: 'rolled back' } })
  t.match(await send('POST', '/dry-run'), { status: 200, json: { state: 'open' } })
  t.match(await send('POST', '/dry-commit'), { status: 200, json: { state: 'rolled back' } })
  t.equal((await send('POST', '/failed-commit')).status, 500, 'a failed commit() that was swallowed is no success')
  t.same(await db.ids(), [1])
  t.match(
    await send('POST', '/rollback-commit'),
    { status: 500, json: { code: 'TX_CLOSED' } },
    'commit() does not pretend'
  )
  t.match(await send('POST', '/too-late-to-commit'), { status: 504, json: { code: 'TX_TIMEOUT' } })
  t.ok(await comesTrue(() => commitError !== undefined))
  t.match(commitError, { code: 'TX_TIMEOUT' }, 'it tells the handler why')
  t.match(await send('POST', '/late'), {
    status: 500,
    json: { code: 'TX_CLOSED', message: /POST \/late req-\S+ is committed/ }
  })
  t.same(await db.ids(), [1, 5])
  t.match(await send('POST', '/late-callback'), { status: 500, json: { code: 'TX_CLOSED' } })
  t.match(await send('POST', '/without'), {
    status: 500,
    json: { message: 'POST /without has no transaction: declare config: { transaction: true } on the route' }
  })
  t.match(await send('POST', '/tx-control'), { status: 200, json: { refused: 8 } })
  t.same(await db.ids(), [1, 5, 7], 'savepoints are allowed')
})

test('a text that hides transaction control is refused before any of it is sent', async (t) => {
  const texts = [
    'insert into item values (99); commit',
    'select 1; commit; begin',
    'insert into item values (99); rollback and chain; select 1',
    'insert into item values (99);\r-- so\rcommit; select 1 / 0',
    "insert into item values (99, E'\\'; savepoint a; '); /* /* nested */ */ end",
    "insert into item values (99, E'a'\n'b\\''); commit; select ''",
    "do $a$ begin null; end $a$; prepare transaction 'x'",
    'create function f() returns int begin atomic select 1; end; end'
  ]
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/send', transactional, async (request) => {
        await request.transaction.query((request.body as { text: string }).text)
        return {}
      })
      app.post('/swallow', transactional, async (request) => {
        await request.transaction.query((request.body as { text: string }).text).catch(() => {})
        await insert(request, 1)
        return {}
      })
      app.post('/forget', transactional, async (request) => {
        await insert(request, 1)
        void request.transaction.query((request.body as { text: string }).text)
        return {}
      })
    }
  })
  for (const text of texts) {
    t.match(await send('POST', '/send', { text }), { status: 500, json: { code: 'TX_USAGE' } }, text)
    t.match(
      await send('POST', '/forget', { text }),
      { status: 500, json: { code: 'TX_USAGE' } },
      `${text}, not awaited`
    )
    t.same(await db.ids(), [], 'nothing is stored')
    t.equal((await send('POST', '/swallow', { text })).status, 200, `${text}, and its refusal swallowed`)
    t.same(await db.ids(), [1], 'the rest of the transaction is as ever')
    await db.admin.query('truncate item')
  }
  const harmless = [
    "savepoint one; insert into item values (3, 'commit; begin'); rollback to one; insert into item values (4)",
    "insert into item values (5, E'it\\'s; commit'); -- commit;\n select 1",
    'select 1 as "; commit"; insert into item values (6); set transaction read only',
    'create function pg_temp.g() returns int begin atomic select case when true then 1 end; select 2; end; insert into item values (7)'
  ]
  for (const text of harmless) t.equal((await send('POST', '/send', { text })).status, 200, text)
  t.same(await db.ids(), [4, 5, 6, 7])
  t.match(await send('POST', '/send', { text: 'set session characteristics as transaction read only' }), {
    status: 500,
    json: { code: 'TX_USAGE', message: /other requests/ }
  })
})

// Transactions outside a request.
import t from 'tap'
import transaction from '../src/index.ts'
import { database, logLines, signal, setup, test, type Database } from './harness.ts'
import { setting } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('app.transaction', async (t) => {
  const { lines, logger } = logLines()
  const { app, pool } = await setup(t, {
    database: db,
    fastify: { logger },
    plugin: (pool) => ({ pool, applicationName: 'shop' }),
    routes: () => {}
  })
  const result = await app.transaction(async (transaction) => {
    t.equal(transaction.state, 'idle')
    await transaction.query('insert into item values (1)')
    t.equal(transaction.state, 'open')
    const { rows } = await transaction.query(`select ${setting('application_name')}`)
    return rows[0]
  }, { name: 'nightly job' })
  t.same(result, { value: 'shop nightly job' })
  await t.rejects(
    app.transaction(async (transaction) => {
      await transaction.query('insert into item values (2)')
      throw new Error('no')
    }),
    { message: 'no' }
  )
  await t.rejects(
    app.transaction(async (transaction) => {
      await transaction.query('insert into child values (1, 99)')
    }),
    { code: '23503' },
    'COMMIT fails'
  )
  await t.rejects(
    app.transaction(async (transaction) => {
      await transaction.query('select 1 / 0').catch(() => {})
    }),
    { code: 'TX_ABORTED' },
    'a swallowed error'
  )
  await t.rejects(
    app.transaction(async (transaction) => {
      await transaction.commit()
      await transaction.query('select 1')
    }),
    { code: 'TX_CLOSED' }
  )
  t.equal(
    await app.transaction(async (transaction) => {
      await transaction.query('insert into item values (3)')
      transaction.setRollbackOnly()
      return 'dry'
    }),
    'dry'
  )
  await app.transaction(async (transaction) => {
    void transaction.query('insert into item values (4)')
  })
  t.same(await db.ids(), [1, 4], 'statements nobody awaited are waited for')

  let runs = 0
  const conflict = "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$"
  t.equal(
    await app.transaction(async (transaction) => {
      runs++
      await transaction.query('insert into item values (5)')
      if (transaction.attempt < 3) await transaction.query(conflict)
      return transaction.attempt
    }, { retries: 2 }),
    3
  )
  await t.rejects(
    app.transaction(async (transaction) => {
      runs++
      await transaction.query(conflict)
    }, { retries: 2 }),
    { code: '40001' }
  )
  t.equal(runs, 6, 'three times each')
  runs = 0
  await t.rejects(
    app.transaction(async (transaction) => {
      runs++
      await transaction.query('savepoint one')
      await transaction.query(conflict).catch(() => {})
      await transaction.query('rollback to one')
      throw new Error('not because of the conflict')
    }, { retries: 2 }),
    { message: 'not because of the conflict' }
  )
  t.equal(runs, 1, 'an error of its own is not retried')
  runs = 0
  await t.rejects(
    app.transaction(async (transaction) => {
      runs++
      await transaction.commit()
      throw Object.assign(new Error('conflict elsewhere'), { code: '40001', severity: 'ERROR' })
    }, { retries: 2 }),
    { message: 'conflict elsewhere' }
  )
  t.equal(runs, 1, 'nothing runs again after a COMMIT')

  await t.rejects(
    app.transaction(async (transaction) => {
      await transaction.query('select pg_sleep(60)')
    }, { deadline: 50 }),
    { code: 'TX_TIMEOUT' }
  )
  await t.rejects(
    app.transaction(async (transaction) => {
      await transaction.query('insert into item values (6)')
      await new Promise(() => {})
    }, { deadline: 50 }),
    { code: 'TX_TIMEOUT' },
    'work that waits for something else ends too'
  )
  await t.rejects(app.transaction(async () => {}, { stream: true } as object), {
    code: 'TX_USAGE',
    message: /stream is not an option/
  })
  await t.rejects(app.transaction(async () => {}, { retries: 99 }), { message: /retries must be/ })
  await t.rejects(app.transaction(async () => {}, { store: 'mongo' }), { message: /needs the plugin option mongo/ })
  await t.rejects(
    app.transaction(async (outer) => {
      await outer.query('select 1')
      await app.transaction(async (inner) => {
        await inner.query('select 1')
      }, { name: 'inner' })
    }),
    { code: 'TX_USAGE', message: /inner was called inside the transaction of/ }
  )
  t.equal(
    await app.transaction(async () => {
      throw 'a string'
    }).catch((thrown: unknown) => thrown),
    'a string',
    'whatever is thrown is passed on'
  )
  t.same(await db.ids(), [1, 4, 5])
  const done = signal()
  await app.transaction(async (transaction) => {
    transaction.afterCommit(done.give)
  })
  await done.given
  t.equal(pool.idleCount, pool.totalCount)
  t.notOk(lines.some((line) => Number(line['level']) >= 50))
})

test('what is no function and no options is refused in one sentence', async (t) => {
  const { app } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, name: 'billing' }),
    routes: async (app, pool) => {
      await app.register(transaction, { pool })
    }
  })
  const { billing } = app as unknown as { billing: { transaction: typeof app.transaction } }
  const work = async () => {}
  const wrong: Array<[unknown[], RegExp]> = [
    [[work, null], /^app\.transaction: its options must be an object such as \{ retries: 3 \}, not null$/],
    [[work, 5], /^app\.transaction: its options must be an object such as .*, not a number$/],
    [[work, []], /^app\.transaction: its options must be an object such as .*, not a list$/],
    [[work, () => {}], /^app\.transaction: takes no callback; await the promise it returns$/],
    [[work, { name: 7 }], /^app\.transaction: name must be a text, not a number$/],
    [[work, { retries: null }], /^app\.transaction: retries must be a whole number from 0 to 20$/],
    [[5], /^app\.transaction: needs a function of the transaction first, not a number/],
    [[], /^app\.transaction: needs a function of the transaction first, not undefined/]
  ]
  for (const [args, message] of wrong) {
    const call = (on: object, method: (...args: never[]) => unknown) =>
      Reflect.apply(method, on, args) as Promise<unknown>
    await t.rejects(call(app, app.transaction), { code: 'TX_USAGE', message })
    await t.rejects(call(billing, billing.transaction), {
      code: 'TX_USAGE',
      message: new RegExp(message.source.replace('app\\.transaction', 'app\\.billing\\.transaction'))
    }, 'a named one by its name')
  }
})

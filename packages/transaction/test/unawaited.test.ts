// Promises nobody awaits: the process lives, and the reply claims nothing that did not happen.
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import outbox, { outboxSql, postgresStore } from 'fastify-outbox'
import { drizzleHandles } from '../src/drizzle.ts'
import { WatchedPromise } from '../src/core/given-promises.ts'
import { database, logLines, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const item = pgTable('item', { id: integer().primaryKey() })
type Handle = ReturnType<typeof drizzle>
const getHandle = (request: FastifyRequest) => request.db as unknown as Handle
const orphan = 'insert into child values (1, 99)'
const mistake = async (): Promise<never> => {
  throw new Error('a mistake in the callback')
}

/** Collects the rejections that Node would end the process for, until it is asked for them. */
function unheardRejections (): () => unknown[] {
  const unheard: unknown[] = []
  const onUnheard = (reason: unknown) => {
    unheard.push(reason)
  }
  process.on('unhandledRejection', onUnheard)
  return () => {
    process.off('unhandledRejection', onUnheard)
    return unheard
  }
}

test('a failure that nobody awaits is the reply', async (t) => {
  const unheard = unheardRejections()
  const forgotten: Record<string, (request: FastifyRequest) => unknown> = {
    '/commit': async (request) => {
      await request.transaction.query(orphan)
      void request.transaction.commit()
    },
    '/statement': (request) => {
      void request.transaction.query('select 1 / 0')
    },
    '/in-savepoint': async (request) => {
      await request.transaction.query('savepoint one')
      void request.transaction.query('select 1 / 0')
      await request.transaction.query('rollback to one')
    },
    '/refused': (request) => {
      void request.transaction.query('begin')
    },
    '/callback': (request) => {
      void (request.transaction.query as (...args: unknown[]) => unknown)('select 1', [], () => {})
    },
    '/cursor': (request) => {
      void request.transaction.query({ submit () {}, text: 'select 1' } as never)
    },
    '/drizzle': (request) => {
      void getHandle(request).insert(item).values({ id: 1 }).execute()
    },
    '/drizzle-then': (request) => {
      void getHandle(request).transaction(mistake)
    },
    '/drizzle-config': (request) => {
      void (getHandle(request).transaction as (...args: unknown[]) => unknown)(async () => {}, {
        isolationLevel: 'serializable'
      })
    },
    '/drizzle-runs': (request) => {
      void getHandle(request).transaction(async (tx) => {
        await tx.insert(item).values({ id: 5 })
        await sleep(200)
        await tx.insert(item).values({ id: 6 })
      })
    }
  }
  const { send } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, db: drizzleHandles(drizzle(pool)) }),
    routes: (app) => {
      for (const [path, forget] of Object.entries(forgotten)) {
        app.post(path, transactional, async (request) => {
          await insert(request, 1)
          await forget(request)
          return {}
        })
      }
      app.post('/rollback', transactional, async (request) => {
        await insert(request, 2)
        void request.transaction.rollback()
        return {}
      })
      app.post('/heard', transactional, async (request) => {
        await insert(request, 3)
        await request.transaction.query('begin').catch(() => {})
        const late = request.transaction.query('commit')
        await insert(request, 4)
        await t.rejects(late, { code: 'TX_USAGE' })
        return {}
      })
    }
  })
  for (const path of Object.keys(forgotten)) {
    t.equal((await send('POST', path)).status, 500, path)
    t.same(await db.ids(), [], `${path}: nothing is stored`)
  }
  t.equal((await send('POST', '/rollback')).status, 200)
  t.equal((await send('POST', '/heard')).status, 200, 'what was heard of and went on is no failure')
  t.same(await db.ids(), [3, 4])
  await sleep(250)
  t.same(unheard(), [], 'the process lives')
})

test('app.transaction that nobody awaits is logged', async (t) => {
  const unheard = unheardRejections()
  const { lines, logger } = logLines()
  const { app } = await setup(t, { database: db, fastify: { logger }, routes: () => {} })
  const failures = () => lines.filter((line) => line['msg'] === 'app.transaction() failed and nobody awaited it').length
  void app.transaction(mistake)
  void app.transaction(mistake, { retries: 99 })
  t.ok(await comesTrue(() => failures() === 2))
  await t.rejects(app.transaction(mistake), { message: 'a mistake in the callback' })
  await sleep(10)
  t.equal(failures(), 2, 'one that is awaited is not')
  t.same(unheard(), [])
})

test('outbox.enqueue that nobody awaits', async (t) => {
  const unheard = unheardRejections()
  await db.admin.query(outboxSql('postgres'))
  const { send } = await setup(t, {
    database: db,
    routes: async (app, pool) => {
      await app.register(outbox, { store: postgresStore(pool), relay: false, measureInterval: 0 })
      app.post('/wrong', transactional, async (request) => {
        await insert(request, 1)
        void app.outbox.enqueue(request.transaction, { topic: '', key: 'a', payload: {} })
        return {}
      })
      app.post('/right', transactional, async (request) => {
        await insert(request, 2)
        void app.outbox.enqueue(request.transaction, { topic: 'a', key: 'a', payload: {} })
        return {}
      })
      app.post('/outside', async () => {
        void app.outbox.enqueue(undefined as never, { topic: 'a', key: 'a', payload: {} })
        return {}
      })
    }
  })
  t.match(await send('POST', '/wrong'), { status: 500, json: { code: 'OUTBOX_USAGE' } })
  t.same(await db.ids(), [])
  t.equal((await send('POST', '/right')).status, 200)
  t.equal((await send('POST', '/outside')).status, 200)
  const { rows } = await db.admin.query<{ n: number }>('select count(*)::int as n from outbox')
  t.same([await db.ids(), rows[0]?.n], [[2], 1], 'one that is in time is stored')
  t.same(unheard(), [])
})

test('what is no function is refused where it is given', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const given: Record<string, unknown> = {
        text: 'wake',
        promise: Promise.resolve(),
        nothing: undefined,
        object: {}
      }
      for (const method of ['afterCommit', 'beforeReply'] as const) {
        for (const [what, value] of Object.entries(given)) {
          app.post(`/${method}/${what}`, transactional, async (request) => {
            await insert(request, 1)
            request.transaction[method](value as () => undefined)
            return {}
          })
        }
      }
    }
  })
  for (const method of ['afterCommit', 'beforeReply']) {
    for (const what of ['text', 'promise', 'nothing', 'object']) {
      t.match(await send('POST', `/${method}/${what}`), {
        status: 500,
        json: { code: 'TX_USAGE', message: new RegExp(`^${method}\\(\\) needs a function`) }
      }, `${method} ${what}`)
    }
  }
  t.same(await db.ids(), [])
})

t.test('a promise knows whether somebody listens', async (t) => {
  const [awaited, caught, ignored, combined] = [1, 2, 3, 4].map((id) =>
    WatchedPromise.of(Promise.reject(new Error(String(id))))
  )
  await t.rejects(async () => await awaited, { message: '1' })
  caught?.catch(() => {})
  await Promise.allSettled([combined])
  t.same([awaited, caught, ignored, combined].map((told) => told?.isAwaited), [true, true, false, true])
  t.equal(
    WatchedPromise.of(Promise.resolve(1)).then(() => {}).constructor,
    Promise,
    'what is made of it is a plain promise'
  )
})

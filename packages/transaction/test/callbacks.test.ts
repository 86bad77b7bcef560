// Methods that were given a callback, and methods that 'statement' refuses: both the callback and the promise get the
// error.
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, setup, test, comesTrue, type Database } from './harness.ts'
import { insert, type plainHandles } from './statements.ts'
import { failOnCrash } from './truth.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

type Callback = (error: Error | null, result?: unknown) => void
type AnyMethod = (...args: unknown[]) => unknown

/** Calls of a method with arguments that its type does not allow. */
const callbackCalls: Record<string, (request: FastifyRequest, callback: Callback) => unknown> = {
  'query(text, values, callback)': ({ transaction }, callback) =>
    (transaction.query as AnyMethod).call(transaction, 'select 1', [], callback),
  'query(text, callback)': ({ transaction }, callback) =>
    (transaction.query as AnyMethod).call(transaction, 'select 1', callback),
  'query({ text, callback })': ({ transaction }, callback) =>
    (transaction.query as AnyMethod).call(transaction, { text: 'select 1', callback }),
  'query(object, values, callback)': ({ transaction }, callback) =>
    (transaction.query as AnyMethod).call(transaction, { text: 'select 1' }, [], callback),
  'commit(callback)': ({ transaction }, callback) => (transaction.commit as AnyMethod).call(transaction, callback),
  'rollback(callback)': ({ transaction }, callback) => (transaction.rollback as AnyMethod).call(transaction, callback),
  'follow(promise, callback)': ({ transaction }, callback) =>
    (transaction.follow as AnyMethod).call(transaction, Promise.resolve(1), callback),
  'db.query(text, values, callback)': ({ db }, callback) =>
    ((db as unknown as { query: AnyMethod }).query)('select 1', [], callback)
}

const handles = (pool: Parameters<typeof plainHandles>[0]) => {
  const autocommit = { query: pool.query.bind(pool) }
  return { autocommit, bind: (client: object) => client } as unknown as ReturnType<typeof plainHandles>
}

test('a callback gets the error, and the promise rejects', async (t) => {
  failOnCrash(t)
  const { send } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, db: handles(pool), defaults: { deadline: 0 } }),
    routes: (app) => {
      for (const [index, call] of Object.values(callbackCalls).entries()) {
        app.post(`/callback/${index}`, { config: { transaction: true } }, (request, reply) => {
          void insert(request, 1)
          call(request, (error) => {
            reply.send(error ?? { message: 'no error' })
          })
        })
        app.post(`/success/${index}`, { config: { transaction: true } }, (request, reply) => {
          call(request, () => {
            reply.send({ claims: 'success' })
          })
        })
        app.post(`/throws/${index}`, { config: { transaction: true } }, (request, reply) => {
          call(request, () => {
            setImmediate(() => {
              reply.send({ claims: 'success' })
            })
            throw new Error('in the callback')
          })
        })
        app.post(`/promise/${index}`, { config: { transaction: true } }, async (request) => {
          await insert(request, 1)
          return await (call(request, () => {}) as Promise<unknown>)
        })
      }
    }
  })
  for (const [index, name] of Object.keys(callbackCalls).entries()) {
    for (const way of ['callback', 'success', 'throws', 'promise']) {
      const answer = await send('POST', `/${way}/${index}`)
      t.equal(answer.status, 500, `${name}, ${way}`)
      t.match(answer.text, /takes no callback; await the promise|in the callback/, answer.text)
      t.same(await db.ids(), [])
    }
  }
})

test('methods without a promise refuse a callback at once', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const calls: Array<(request: FastifyRequest, reply: FastifyReply) => unknown> = [
        ({ transaction }, reply) => {
          ;(transaction.setRollbackOnly as AnyMethod).call(transaction, () => reply.send({}))
        },
        ({ transaction }, reply) => {
          ;(transaction.afterCommit as AnyMethod).call(transaction, () => {}, () => reply.send({}))
        },
        ({ transaction }, reply) => {
          ;(transaction.beforeReply as AnyMethod).call(transaction, () => {}, () => reply.send({}))
        }
      ]
      for (const [index, call] of calls.entries()) {
        app.post(`/${index}`, { config: { transaction: true } }, (request, reply) => {
          call(request, reply)
        })
      }
    }
  })
  for (const index of [0, 1, 2]) {
    t.match(await send('POST', `/${index}`), {
      status: 500,
      json: { code: 'TX_USAGE', message: /takes no callback at its end/ }
    })
  }
})

test("'statement' refuses what would end it, before and after its statement", async (t) => {
  failOnCrash(t)
  const methods = ['setRollbackOnly', 'commit', 'rollback'] as const
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const options = { config: { transaction: 'statement' }, schema: { response: { 200: {} } } } as const
      for (const method of methods) {
        app.post(`/before/${method}`, options, async (request) => {
          await request.transaction[method]()
          return await insert(request, 1)
        })
        app.post(`/after/${method}`, options, async (request) => {
          await insert(request, 1)
          await request.transaction[method]()
          return {}
        })
        app.post(`/forgotten/${method}`, options, async (request) => {
          void Promise.resolve().then(() => request.transaction[method]()).catch(() => {})
          if (method !== 'setRollbackOnly') void request.transaction[method]()
          else request.transaction[method]()
          return {}
        })
      }
    }
  })
  const sentence = (method: string) => new RegExp(`^${method}\\(\\) of POST .*: transaction: 'statement' commits`)
  for (const method of methods) {
    const expected = { status: 500, json: { code: 'TX_USAGE', message: sentence(method) } }
    t.match(await send('POST', `/before/${method}`), expected)
    t.same(await db.ids(), [], 'nothing was sent')
    t.match(await send('POST', `/forgotten/${method}`), expected, 'also where nobody awaits it')
    t.match(await send('POST', `/after/${method}`), expected)
    t.ok(await comesTrue(async () => (await db.ids()).length === 1))
    await db.admin.query('delete from item')
  }
})

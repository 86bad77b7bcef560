// Conflicts that the databases report while a handler runs, and handlers that answer them in every style: the service
// runs the handler again, and what it then answers is what is stored.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { outsideTransaction } from 'fastify-transaction'
import { build } from '../helper.ts'

type Work = (request: FastifyRequest) => Promise<unknown>
interface Account {
  _id: string
  n: number
}

const tails = new Map<string, Promise<unknown>>()

/** Awaits something that has nothing to do with the transaction, at the end of a run that has sent its error. */
async function pause ({ id, server }: FastifyRequest): Promise<void> {
  const over = outsideTransaction(async () => await server.pg.query('SELECT 1'))
  // What follows the pause in that run needs a moment to have its effect.
  tails.set(
    id,
    over.then(async () => {
      await sleep(20)
    })
  )
  await over
}

/** Awaited in the middle of `work`: the second run goes on when the first one has ended. */
const endOfFirst = async ({ id }: FastifyRequest) => await tails.get(id)

/** Ways to answer, each of them ordinary; `work` rejects in the first run. */
const STYLES: Record<string, (work: Work) => (request: FastifyRequest, reply: FastifyReply) => unknown> = {
  thrown: (work) => async (request, reply) => {
    await work(request)
    reply.code(201)
    return { made: true }
  },
  'sent and returned': (work) => async (request, reply) => {
    try {
      await work(request)
      return await reply.code(201).send({ made: true })
    } catch (error) {
      return reply.send(error)
    }
  },
  'sent, not returned': (work) => async (request, reply) => {
    try {
      await work(request)
      void reply.code(201).send({ made: true })
    } catch (error) {
      void reply.send(error)
    }
  },
  'by callback': (work) => (request, reply) => {
    work(request).then(() => {
      reply.code(201).send({ made: true })
    }, (error: unknown) => {
      reply.send(error)
    })
  },
  'awaiting after the send': (work) => async (request, reply) => {
    try {
      await work(request)
      void reply.code(201).send({ made: true })
    } catch (error) {
      void reply.send(error)
      await pause(request)
    }
  },
  'returning something else after the send': (work) => async (request, reply) => {
    try {
      await work(request)
      reply.code(201)
      return { made: true }
    } catch (error) {
      void reply.send(error)
      await pause(request)
      return { made: false }
    }
  },
  'throwing after the send': (work) => async (request, reply) => {
    try {
      await work(request)
      reply.code(201)
      return { made: true }
    } catch (error) {
      void reply.send(error)
      await pause(request)
      throw new Error('the first run has failed', { cause: error })
    }
  },
  'working on after the send': (work) => async (request, reply) => {
    const { transaction } = request
    try {
      await work(request)
      void reply.code(201).send({ made: true })
    } catch (error) {
      void reply.send(error)
      await pause(request)
      await addTo(transaction, 'a', 1000).catch(() => {})
    }
  }
}

/** Adds to an account, in whichever store the transaction is. */
async function addTo (transaction: FastifyRequest['transaction'], account: string, n: number): Promise<unknown> {
  if (transaction.store === 'sql') {
    return await transaction.query('UPDATE accounts SET n = n + $2 WHERE id = $1', [account, n])
  }
  return await transaction.mongo.collection<Account>('accounts').updateOne({ _id: account }, { $inc: { n } })
}

/** Resolves for both callers when both have come; nobody else waits. */
function meeting (): () => Promise<void> {
  let come = 0
  let open = () => {}
  const both = new Promise<void>((resolve) => {
    open = resolve
  })
  return async () => {
    if (++come === 2) open()
    if (come <= 2) await both
  }
}

/** The service with a route per style, whose handlers do `work`. */
async function serve (t: Test, work: Work, transaction: object = {}): Promise<App> {
  const app = await build(t, {
    settings: { PROJECTIONS: false },
    plugins: async (app) => {
      for (const [style, answer] of Object.entries(STYLES)) {
        app.post(`/${style}/:from/:to`, { config: { transaction } }, answer(work))
      }
    }
  })
  await app.pg.query('CREATE TABLE accounts (id text PRIMARY KEY, n int NOT NULL)')
  return app
}

const post = async (app: App, path: string) => await app.inject({ method: 'POST', url: encodeURI(path), payload: {} })

t.test('a deadlock of two requests', async (t) => {
  let meet = meeting()
  let runs = 0
  const app = await serve(t, async (request) => {
    runs++
    const { transaction } = request
    const { from, to } = request.params as { from: string; to: string }
    await addTo(transaction, from, -1)
    await meet()
    await endOfFirst(request)
    await addTo(transaction, to, from === 'a' ? 10 : 100)
  })
  for (const style of Object.keys(STYLES)) {
    meet = meeting()
    runs = 0
    await app.pg.query("DELETE FROM accounts; INSERT INTO accounts VALUES ('a', 0), ('b', 0)")
    const replies = await Promise.all(['a/b', 'b/a'].map((path) => post(app, `/${style}/${path}`)))
    t.same(
      replies.map(({ statusCode, body }) => [statusCode, body]),
      [[201, '{"made":true}'], [201, '{"made":true}']],
      style
    )
    t.same(
      (await app.pg.query('SELECT id, n FROM accounts ORDER BY id')).rows,
      [{ id: 'a', n: 99 }, { id: 'b', n: 9 }],
      `${style}: both are stored, whole`
    )
    // On a busy machine the one that runs again may meet the other once more.
    t.ok(runs >= 3, `${style}: one of them was the victim`)
  }
})

t.test('a serialization failure', async (t) => {
  const app = await serve(t, async (request) => {
    const { transaction, server } = request
    await transaction.query('SELECT n FROM accounts')
    if (transaction.attempt === 1) {
      await outsideTransaction(async () => await server.pg.query("UPDATE accounts SET n = n + 100 WHERE id = 'a'"))
    }
    await addTo(transaction, 'b', 1)
    await endOfFirst(request)
    await addTo(transaction, 'a', 1)
  }, { isolationLevel: 'repeatable read' })
  for (const style of Object.keys(STYLES)) {
    await app.pg.query("DELETE FROM accounts; INSERT INTO accounts VALUES ('a', 0), ('b', 0)")
    t.match(await post(app, `/${style}/a/b`), { statusCode: 201, body: '{"made":true}' }, style)
    t.same(
      (await app.pg.query('SELECT n FROM accounts ORDER BY id')).rows,
      [{ n: 101 }, { n: 1 }],
      `${style}: stored once, whole`
    )
  }
})

t.test('a write conflict of MongoDB', async (t) => {
  const app = await serve(t, async (request) => {
    const { transaction, server } = request
    await transaction.mongo.collection<Account>('accounts').findOne({ _id: 'a' })
    const accounts = mongoDatabase(server).collection<Account>('accounts')
    if (transaction.attempt === 1) {
      await outsideTransaction(async () => await accounts.updateOne({ _id: 'a' }, { $inc: { n: 100 } }))
    }
    await addTo(transaction, 'b', 1)
    await endOfFirst(request)
    await addTo(transaction, 'a', 1)
  }, { store: 'mongo' })
  const accounts = mongoDatabase(app).collection<Account>('accounts')
  for (const style of Object.keys(STYLES)) {
    await accounts.deleteMany({})
    await accounts.insertMany([{ _id: 'a', n: 0 }, { _id: 'b', n: 0 }])
    t.match(await post(app, `/${style}/a/b`), { statusCode: 201, body: '{"made":true}' }, style)
    t.same(
      await accounts.find().sort({ _id: 1 }).toArray(),
      [{ _id: 'a', n: 101 }, { _id: 'b', n: 1 }],
      `${style}: stored once, whole`
    )
  }
})

import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { judge, wasEarly } from './ground.ts'
import { signal } from './http.ts'
import type { Finding, Ground, Scenario } from './types.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply, ground: Ground) => unknown
interface Case { name: string, status: number, handler: Handler, options?: RouteShorthandOptions, isStored?: (ids: number[]) => boolean }

const hasOne = (ids: number[]) => ids.includes(1)
const orphan = (ground: Ground, request: FastifyRequest) => ground.query(request, 'insert into child values (1, 99)')

/** One POST whose handler inserts row 1; what it answers must agree with what is stored. */
function single ({ name, status, handler, options = {}, isStored = hasOne }: Case): Scenario {
  return {
    name,
    routes (ground, route) {
      app(ground).post('/', { ...route({}), ...options }, (request, reply) => handler(request, reply, ground) as Promise<unknown>)
    },
    async run (ground) {
      const answer = await ground.send('POST', '/').catch(() => undefined)
      await sleep(80)
      return [...judge(answer, status, isStored(await ground.ids())), ...answer !== undefined && answer.status < 400 ? wasEarly(ground) : []]
    }
  }
}

const app = (ground: Ground) => ground.app

const late = async (): Promise<never> => { await sleep(1); throw new Error('the hook failed') }
const then = (status: number, answer: (reply: FastifyReply) => unknown): Handler => async (request, reply, ground) => {
  await ground.insert(request, 1)
  reply.code(status)
  return await answer(reply)
}

const plain: Case[] = [
  { name: '200 with a value', status: 200, handler: then(200, () => ({})) },
  { name: '204 without one', status: 204, handler: then(204, (reply) => reply.send()) },
  { name: '303 redirect', status: 303, handler: then(303, (reply) => reply.redirect('/elsewhere', 303)) },
  { name: 'callback handler', status: 200, handler: (request, reply, ground) => { ground.insert(request, 1).then(() => reply.send({}), (error: unknown) => reply.send(error)) } },
  { name: '404 by reply', status: 404, handler: then(404, (reply) => reply.send({})) },
  { name: '404 by return', status: 404, handler: then(404, () => ({})) },
  { name: '503 by hand', status: 503, handler: then(503, (reply) => reply.send({})) },
  { name: 'reply.callNotFound()', status: 404, handler: then(200, (reply) => reply.callNotFound()) },
  { name: 'the handler throws', status: 500, handler: then(200, () => { throw new Error('no') }) },
  { name: 'response serialization fails', status: 500, handler: then(200, () => ({ id: 'no number' })), options: { schema: { response: { 200: { type: 'object', required: ['missing'], properties: { missing: { type: 'integer' } } } } } } },
  { name: 'a preSerialization hook throws', status: 500, handler: then(200, () => ({})), options: { preSerialization: late } },
  { name: 'an onSend hook throws', status: 500, handler: then(200, () => ({})), options: { onSend: late } }
]

const conflicting: Case[] = [
  { name: 'COMMIT fails (deferred foreign key)', status: 500, handler: async (request, _reply, ground) => { await ground.insert(request, 1); await orphan(ground, request); return {} } },
  { name: 'a database error is swallowed', status: 500, handler: async (request, _reply, ground) => { await ground.insert(request, 1); await ground.query(request, 'select 1 / 0').catch(() => {}); return {} } },
  { name: 'a failing query nobody awaits', status: 500, handler: async (request, _reply, ground) => { await ground.insert(request, 1); ground.query(request, 'select 1 / 0').catch(() => {}); return {} } },
  { name: 'Promise.all with one failure', status: 500, handler: async (request, _reply, ground) => { await Promise.all([ground.insert(request, 1), ground.query(request, 'select 1 / 0')]); return {} } },
  {
    name: 'savepoint: the inner part fails',
    status: 200,
    isStored: (ids) => ids.includes(1) && !ids.includes(2),
    handler: async (request, _reply, ground) => {
      await ground.insert(request, 1)
      await ground.query(request, 'savepoint inner_part')
      await ground.insert(request, 2)
      await ground.insert(request, 2).catch(() => {})
      await ground.query(request, 'rollback to savepoint inner_part')
      return {}
    }
  },
  { name: 'reply.send() not returned', status: 201, handler: async (request, reply, ground) => { await ground.insert(request, 1); reply.code(201).send({}) } },
  { name: '… and COMMIT fails', status: 500, handler: async (request, reply, ground) => { await ground.insert(request, 1); await orphan(ground, request); reply.code(201).send({}) } },
  { name: 'throw after reply.send()', status: 201, handler: async (request, reply, ground) => { await ground.insert(request, 1); reply.code(201).send({}); throw new Error('too late') } }
]

const others: Scenario[] = [
  {
    name: 'reply.send(), then a write',
    routes (ground, route) {
      ground.app.post('/', route({}), async (request, reply) => {
        await ground.insert(request, 1)
        reply.send({})
        await sleep(30)
        await ground.insert(request, 2).catch(() => {})
      })
    },
    async run (ground) {
      const answer = await ground.send('POST', '/').catch(() => undefined)
      await sleep(150)
      const ids = await ground.ids()
      return [...judge(answer, 200, ids.includes(1)), ...wasEarly(ground), ...ids.includes(2) ? ['late' as const] : []]
    }
  },
  {
    name: 'reply.hijack() and raw.end()',
    routes (ground, route) {
      ground.app.post('/', route({}), async (request, reply) => {
        await ground.insert(request, 1)
        reply.hijack()
        reply.raw.end('by hand')
      })
    },
    async run (ground) {
      const answer = await ground.send('POST', '/').catch(() => undefined)
      await sleep(100)
      return judge(answer, 500, hasOne(await ground.ids()))
    }
  },
  {
    name: 'HEAD of a route with a transaction',
    routes (ground, route) { ground.app.get('/', route({}), async (request) => { await ground.insert(request, 1); return {} }) },
    run: async (ground) => judge(await ground.send('HEAD', '/').catch(() => undefined), 200, hasOne(await ground.ids()))
  },
  {
    name: 'COMMIT fails while others wait for the connection',
    pool: { max: 1 },
    routes (ground, route) {
      ground.app.post('/orphan', route({}), async (request) => { await orphan(ground, request); await sleep(20); return {} })
      ground.app.post('/throws', route({}), async (request) => {
        await ground.insert(request, 2)
        await sleep(30)
        await ground.insert(request, 3)
        throw new Error('no')
      })
      ground.app.post('/works', route({}), async (request) => { await ground.insert(request, 1); return {} })
    },
    async run (ground) {
      const [, , works] = await Promise.all(['/orphan', '/throws', '/works'].map((path) => ground.send('POST', path).catch(() => undefined)))
      const ids = await ground.ids()
      const findings: Finding[] = ids.includes(2) || ids.includes(3) ? ['foreign'] : []
      return [...findings, ...judge(works, 200, ids.includes(1))]
    }
  },
  writeSkew(),
  deadlock()
]

/** Two doctors may leave only while the other one stays. SERIALIZABLE finds out at COMMIT. */
function writeSkew (): Scenario {
  const met = [signal(), signal()]
  return {
    name: 'write skew: 40001 at COMMIT',
    routes (ground, route) {
      ground.app.post('/:me', route({ isolationLevel: 'serializable', retries: 3 }), async (request) => {
        const me = Number((request.params as { me: string }).me)
        const { rows } = await ground.query(request, 'select count(*)::int as n from doctor where on_call')
        met[me]?.give()
        await met[1 - me]?.given
        if (Number((rows[0] as { n: number }).n) === 2) await ground.query(request, 'update doctor set on_call = false where id = $1', [me])
        return {}
      })
    },
    async run (ground) {
      await ground.admin.query('insert into doctor values (0, true), (1, true)')
      const answers = await Promise.all([0, 1].map((me) => ground.send('POST', `/${me}`).catch(() => undefined)))
      const { rows } = await ground.admin.query<{ n: number }>('select count(*)::int as n from doctor where on_call')
      if (rows[0]?.n === 0) return ['lie']
      return answers.every((answer) => answer?.status === 200) ? [] : ['wrong']
    }
  }
}

function deadlock (): Scenario {
  const met = [signal(), signal()]
  return {
    name: 'deadlock: 40P01',
    pool: { options: '-c deadlock_timeout=50ms' },
    routes (ground, route) {
      ground.app.post('/:me', route({ retries: 3 }), async (request) => {
        const me = Number((request.params as { me: string }).me)
        await ground.query(request, 'update doctor set on_call = not on_call where id = $1', [me])
        met[me]?.give()
        await met[1 - me]?.given
        await ground.query(request, 'update doctor set on_call = not on_call where id = $1', [1 - me])
        return {}
      })
    },
    async run (ground) {
      await ground.admin.query('insert into doctor values (0, true), (1, true)')
      const answers = await Promise.all([0, 1].map((me) => ground.send('POST', `/${me}`).catch(() => undefined)))
      return answers.every((answer) => answer?.status === 200) ? [] : ['wrong']
    }
  }
}

/** What a handler, its hooks and the database may do to a reply. */
export const replies: Scenario[] = [...plain.map(single), ...conflicting.map(single), ...others]

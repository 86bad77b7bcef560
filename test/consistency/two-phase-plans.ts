// Random requests that write both stores, and what must be stored after each, whatever failed meanwhile.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { Random } from '../random.ts'

const STEPS = ['sql', 'mongo', 'undone', 'kept', 'read', 'pause', 'conflict', 'failing'] as const
const ENDINGS = ['return', '409', 'throw', 'dry', 'rollback', 'commit'] as const
export const ROUTES = {
  plain: {},
  retried: { retries: 3 },
  strict: { retries: 3, isolationLevel: 'serializable' },
  hurried: { deadline: 60 },
  patient: { clientAbort: 'continue' }
} as const

export interface Plan {
  id: number
  route: string
  steps: Array<{ name: typeof STEPS[number]; wait: number }>
  ending: typeof ENDINGS[number]
  /** Milliseconds after which the client goes away. */
  leavesAfter: number | undefined
  /** Sent with an Idempotency-Key, and again until it is answered. */
  isKeyed: boolean
}

/** What the client was told. `unknown`: nothing, or that nobody knows. */
export type Told = 'success' | 'refusal' | 'unknown'

/** Makes plans; most do harmless things, else nothing would ever succeed. */
export function makePlans (random: Random, count: number): Plan[] {
  const oneOf = <Value>(values: readonly Value[]): Value => values[random(values.length)] as Value
  return Array.from({ length: count }, (_, id) => ({
    id,
    route: oneOf(Object.keys(ROUTES)),
    steps: Array.from({ length: 1 + random(5) }, () => ({
      name: random(6) === 0 ? oneOf(STEPS) : oneOf(STEPS.slice(0, 4)),
      wait: random(60)
    })),
    ending: random(4) === 0 ? oneOf(ENDINGS) : 'return',
    leavesAfter: random(8) === 0 ? random(60) : undefined,
    isKeyed: random(2) === 0
  }))
}

/** How often a plan writes in each store; the same in every run of the handler. */
export function expected ({ steps }: Plan): { sql: number; mongo: number } {
  const count = (...names: string[]) => steps.filter(({ name }) => names.includes(name)).length
  return { sql: count('sql', 'kept'), mongo: count('mongo') }
}

/** Does in a handler what a plan says, and answers. */
export async function perform (request: FastifyRequest, plan: Plan): Promise<unknown> {
  const { transaction, mongo } = request
  const insert = async (note = '') => await transaction.query('INSERT INTO random_sql VALUES ($1, $2)', [plan.id, note])
  for (const { name, wait } of plan.steps) {
    if (name === 'sql') await insert()
    if (name === 'mongo') await mongo.collection('random_mongo').insertOne({ request: plan.id })
    if (name === 'read') await mongo.collection('random_mongo').findOne({ request: plan.id })
    if (name === 'pause') await sleep(wait)
    if (name === 'failing') await transaction.query('SELECT 1 / 0')
    if (name === 'conflict' && transaction.attempt === 1) await transaction.query('SELECT conflict()')
    if (name === 'kept' || name === 'undone') {
      await transaction.query('SAVEPOINT here')
      await insert(name)
      await transaction.query(name === 'kept' ? 'RELEASE here' : 'ROLLBACK TO here')
    }
  }
  return await finish(request, plan)
}

async function finish ({ transaction, server }: FastifyRequest, { ending }: Plan): Promise<unknown> {
  if (ending === 'throw') throw new Error('no')
  if (ending === '409') throw server.createProblem(409, 'no')
  if (ending === 'dry') transaction.setRollbackOnly()
  if (ending === 'rollback') await transaction.rollback()
  if (ending === 'commit') await transaction.commit()
  return { fine: true }
}

/** What is wrong with what a request has left; undefined where it is as the client was told. */
export function judge (plan: Plan, told: Told, found: { sql: number; mongo: number }): string | undefined {
  const all = expected(plan)
  const isAll = found.sql === all.sql && found.mongo === all.mongo
  const isNone = found.sql === 0 && found.mongo === 0
  const isDry = plan.ending === 'dry' || plan.ending === 'rollback'
  const isRight = told === 'unknown'
    ? isNone || (isAll && !isDry)
    : told === 'success' && !isDry
    ? isAll
    : isNone
  return isRight ? undefined : `${told}, but there is ${JSON.stringify(found)}: ${JSON.stringify(plan)}`
}

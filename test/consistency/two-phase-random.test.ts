// Random requests that write both stores, while connections die at random steps of their commits, against a model.
// More of it: TWO_PHASE_REQUESTS=5000 TWO_PHASE_SEED=7 npx tap test/consistency/two-phase-random.test.ts
import diagnostics from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { Proxy } from '../proxy.ts'
import { randomFrom, type Random } from '../random.ts'
import { build, comesTrue, databases, listen } from '../helper.ts'
import { expected, judge, makePlans, perform, ROUTES, type Plan, type Told } from './two-phase-plans.ts'

const SEED = Number(process.env['TWO_PHASE_SEED'] ?? 19)
const REQUESTS = Number(process.env['TWO_PHASE_REQUESTS'] ?? 120)
const CLIENTS = 10
const STEPS_PER_FAULT = 15
const KEY_TRIES = 20

interface Bench {
  app: App
  origin: string
  /** How often something was broken at a step of a commit. */
  faults: () => number
}

async function setUp (t: Test, random: Random): Promise<Bench> {
  const fresh = await databases(t)
  const [sql, mongo] = [await Proxy.start(fresh.databaseUrl), await Proxy.start(fresh.mongoUrl)]
  const app = await build(t, {
    settings: {
      ...fresh,
      DATABASE_URL: sql.through(fresh.databaseUrl),
      MONGODB_URL: mongo.throughDirectly(fresh.mongoUrl),
      MONGODB_DATABASE: fresh.mongoDatabase
    },
    plugins: async (app) => {
      for (const [name, options] of Object.entries(ROUTES)) {
        app.post(`/random/${name}`, {
          config: { transaction: { crossStore: 'two-phase', ...options } }
        }, async function random (request) {
          return await perform(request, request.body as Plan)
        })
      }
    }
  })
  t.teardown(() => Promise.all([sql.close(), mongo.close()]))
  await app.pg.pool.query(`CREATE TABLE random_sql (request int, note text);
    CREATE FUNCTION conflict () RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$`)
  let [steps, faults] = [0, 0]
  const listener = () => {
    if (++steps % STEPS_PER_FAULT > 0) return
    faults++
    breakOne(random, { sql, mongo })
  }
  diagnostics.subscribe('fastify-transaction.two-phase', listener)
  t.teardown(() => diagnostics.unsubscribe('fastify-transaction.two-phase', listener))
  return { app, origin: await listen(t, app), faults: () => faults }
}

function breakOne (random: Random, { sql, mongo }: Record<'sql' | 'mongo', Proxy>): void {
  const proxy = random(2) === 0 ? sql : mongo
  // At once, or while the next messages are on their way.
  if (random(2) === 0) proxy.reset()
  else proxy.cutAfter(random(600), 'reset')
}

/** One request; a keyed one is sent again until it is answered. */
async function ask (origin: string, plan: Plan): Promise<{ told: Told; status: number; isReplay: boolean }> {
  for (let attempt = 1;; attempt++) {
    const { leavesAfter } = plan
    const response = await fetch(`${origin}/random/${plan.route}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(plan.isKeyed && { 'idempotency-key': `"${SEED}-${plan.id}"` })
      },
      body: JSON.stringify(plan),
      ...(attempt === 1 && leavesAfter !== undefined && { signal: AbortSignal.timeout(leavesAfter) })
    }).catch(() => undefined)
    const text = await response?.text().catch(() => undefined)
    const status = text === undefined ? 0 : response?.status ?? 0
    const isReplay = response?.headers.get('idempotency-replayed') === 'true'
    const isUnknown = status === 0 || text?.includes('#outcome-unknown') === true
    // Refused after an unanswered try says nothing about that one.
    const told = isUnknown || (status >= 400 && attempt > 1) ? 'unknown' : status < 400 ? 'success' : 'refusal'
    if (told !== 'unknown' || !plan.isKeyed || attempt === KEY_TRIES) return { told, status, isReplay }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function count ({ pg, mongo }: App): Promise<Map<number, { sql: number; mongo: number }>> {
  const found = new Map<number, { sql: number; mongo: number }>()
  const of = (id: number) => {
    const there = found.get(id) ?? { sql: 0, mongo: 0 }
    found.set(id, there)
    return there
  }
  const { rows } = await pg.pool.query<{ request: number }>('SELECT request FROM random_sql')
  for (const { request } of rows) of(request).sql++
  const documents = await mongo.db?.collection<{ request: number }>('random_mongo').find().toArray() ?? []
  for (const { request } of documents) of(request).mongo++
  return found
}

/** Whether nothing is prepared, and no commit is left to be carried out. */
async function isOver ({ pg, mongo }: App): Promise<boolean> {
  const { rows } = await pg.pool.query('SELECT FROM pg_prepared_xacts WHERE database = current_database()')
  return rows.length +
      (await mongo.db?.collection('two_phase_decisions').countDocuments({ decision: 'commit' }) ?? 1) === 0
}

t.test(`${REQUESTS} random requests are in both stores or in none, seed ${SEED}`, async (t) => {
  const random = randomFrom(SEED)
  const plans = makePlans(random, REQUESTS)
  const { app, origin, faults } = await setUp(t, random)
  const answers = new Map<number, Awaited<ReturnType<typeof ask>>>()
  const queue = [...plans]
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    for (let plan = queue.shift(); plan !== undefined; plan = queue.shift()) {
      answers.set(plan.id, await ask(origin, plan))
    }
  }))
  t.ok(await comesTrue(() => isOver(app).catch(() => false), 40_000), 'nothing is in doubt, and no record is left')
  const found = await count(app)
  const wrong = plans.flatMap((plan) =>
    judge(plan, answers.get(plan.id)?.told ?? 'unknown', found.get(plan.id) ?? { sql: 0, mongo: 0 }) ?? []
  )
  t.same(wrong, [], 'every success is there once in both, nothing else is')
  const all = [...answers.values()]
  const both = plans.filter((plan) => expected(plan).sql > 0 && expected(plan).mongo > 0)
  t.ok(both.filter(({ id }) => answers.get(id)?.told === 'success').length > REQUESTS / 8, 'many succeed in both')
  t.ok(faults() > 3, 'something broke at steps of commits')
  t.ok(all.some(({ status }) => status === 504), 'some pass their deadline')
  t.ok(all.some(({ told }) => told === 'unknown'), 'of some nobody knows')
  const statuses = new Map<string, number>()
  for (const { status, told, isReplay } of all) {
    const name = `${told} ${status}${isReplay ? ' replayed' : ''}`
    statuses.set(name, (statuses.get(name) ?? 0) + 1)
  }
  t.comment([`${faults()} faults`, ...[...statuses].map(([name, times]) => `${times} × ${name}`)].join(', '))
})

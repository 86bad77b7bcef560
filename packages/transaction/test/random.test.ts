// Many concurrent requests at random against a ledger: afterwards each success is stored exactly once, and nothing else
// is. More of it: TRANSACTION_ROUNDS=50 TRANSACTION_SEED=7 npx tap test/transaction/random.test.ts
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { randomFrom, type Random } from '../../../test/random.ts'
import type { RouteTransactionOptions } from '../src/index.ts'
import { database, setup, test, type Answer, type Send, type Database } from './harness.ts'

const seed = Number(process.env['TRANSACTION_SEED'] ?? 20)
const rounds = Number(process.env['TRANSACTION_ROUNDS'] ?? 3)
const requestsPerRound = 120
const concurrency = 24
const answersPerKill = 9
const accounts = 4

const steps = [
  'add',
  'add',
  'add',
  'move',
  'move',
  'move',
  'pause',
  'sleep',
  'floating',
  'savepoint',
  'swallowed',
  'failing',
  'suicide'
] as const
const endings = [
  'return',
  'return',
  'return',
  'return',
  'send',
  'unreturned',
  'stream',
  'nothing',
  'conflict',
  'throw',
  'broken-stream',
  'unsendable',
  'bad-header',
  'dry-run',
  'commit-then-throw',
  'rollback'
] as const
const routes: Record<string, RouteTransactionOptions> = {
  plain: {},
  serializable: { isolationLevel: 'serializable', retries: 3 },
  retried: { retries: 3, isolationLevel: 'repeatable read' },
  hurried: { deadline: 40 },
  patient: { clientAbort: 'continue', deadline: 2000 },
  callback: { retries: 2 }
}

type StepName = typeof steps[number]
type EndingName = typeof endings[number]

interface Plan {
  id: number
  route: string
  steps: Array<{ name: StepName; account: number; wait: number }>
  ending: EndingName
  leavesAfter: number | undefined
}

/** What a handler has done: the rows of its last attempt, and what it settled itself. */
interface Account {
  rows: number[]
  attempts: number
  isDry: boolean
  committed: boolean
}

t.setTimeout(Math.max(300, rounds * 10) * 1000)
let db: Database
t.before(async () => {
  db = await database(t)
  await db.admin.query(`
    create table ledger (request integer, seq integer, amount integer not null, primary key (request, seq));
    create table account (id integer primary key, balance integer not null)`)
})

function plansFor (random: Random, first: number): Plan[] {
  const oneOf = <Value>(values: readonly Value[]): Value => values[random(values.length)] as Value
  return Array.from({ length: requestsPerRound }, (_, index) => ({
    id: first + index,
    route: oneOf(Object.keys(routes)),
    // Most requests only do harmless things; else nothing would ever succeed.
    steps: Array.from(
      { length: 1 + random(5) },
      () => ({
        name: random(4) === 0 ? oneOf(steps) : oneOf(steps.slice(0, 7)),
        account: random(accounts),
        wait: random(12)
      })
    ),
    ending: random(3) === 0 ? oneOf(endings) : 'return',
    leavesAfter: random(8) === 0 ? random(40) : undefined
  }))
}

async function perform (request: FastifyRequest, plan: Plan, account: Account): Promise<void> {
  const { transaction } = request
  const add = async (amount: number) => {
    const seq = account.rows.push(account.rows.length)
    await transaction.query('insert into ledger values ($1, $2, $3)', [plan.id, seq - 1, amount])
  }
  for (const { name, account: id, wait } of plan.steps) {
    if (name === 'add') await add(0)
    if (name === 'floating') void add(0).catch(() => {})
    if (name === 'move') {
      await transaction.query('update account set balance = balance + 1 where id = $1', [id])
      await add(1)
    }
    if (name === 'pause') await sleep(wait)
    if (name === 'sleep') await transaction.query(`select pg_sleep(${wait / 1000})`)
    if (name === 'swallowed') await transaction.query('select 1 / 0').catch(() => {})
    if (name === 'failing') await transaction.query('select 1 / 0')
    if (name === 'suicide') await transaction.query('select pg_terminate_backend(pg_backend_pid())')
    if (name === 'savepoint') {
      await transaction.query('savepoint undone')
      await transaction.query('insert into ledger values ($1, $2, 0)', [plan.id, 1000]).then(() =>
        transaction.query('select 1 / 0')
      ).catch(() => {})
      await transaction.query('rollback to undone')
    }
  }
}

async function finish (
  request: FastifyRequest,
  reply: FastifyReply,
  { ending }: Plan,
  account: Account
): Promise<unknown> {
  const { transaction } = request
  switch (ending) {
    case 'return':
      return { fine: true }
    case 'send':
      return await reply.code(201).send({ fine: true })
    case 'unreturned':
      reply.code(202).send({ fine: true })
      return undefined
    case 'stream':
      return Readable.from(['fi', 'ne'])
    case 'broken-stream':
      return new Readable({
        read () {
          this.destroy(new Error('the source failed'))
        }
      })
    case 'nothing':
      return await reply.code(204).send()
    case 'conflict':
      reply.code(409)
      return { fine: false }
    case 'throw':
      throw new Error('no')
    case 'unsendable':
      return {
        get fine () {
          throw new Error('cannot be serialized')
        }
      }
    case 'bad-header':
      reply.header('x-note', 'two\nlines')
      return { fine: false }
    case 'dry-run':
      account.isDry = true
      transaction.setRollbackOnly()
      return { dry: true }
    case 'rollback':
      account.isDry = true
      await transaction.rollback()
      return { dry: true }
    case 'commit-then-throw':
      await transaction.commit()
      account.committed = true
      break
  }
  throw new Error('after the commit')
}

/** What is wrong with the rows that a request left, or undefined. */
function verdict (plan: Plan, account: Account, answer: Answer | undefined, stored: number[]): string | undefined {
  const all = JSON.stringify(account.rows)
  const found = JSON.stringify(stored)
  const isAllOrNothing = found === '[]' || found === all
  const reported = answer === undefined ? 'no answer' : `${answer.status} ${String(answer.json['code'] ?? '')}`
  const wrong = `${reported}, but of ${all} there is ${found}: ${JSON.stringify(plan)}`
  if (!isAllOrNothing) return wrong
  if (account.committed) return found === all ? undefined : wrong
  if (account.isDry && found !== '[]') return wrong
  if (answer === undefined || answer.json['code'] === 'TX_OUTCOME_UNKNOWN') return undefined
  const mustBeStored = answer.status < 400 && !account.isDry
  return (mustBeStored ? found === all : found === '[]') ? undefined : wrong
}

async function runAll (
  plans: Plan[],
  send: Send,
  answers: Map<number, Answer | undefined>,
  kill: () => void
): Promise<void> {
  const queue = [...plans]
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (let plan = queue.shift(); plan !== undefined; plan = queue.shift()) {
      const sent = send('POST', `/${plan.route}`, plan)
      const { leavesAfter } = plan
      const timer = leavesAfter === undefined ? undefined : setTimeout(() => {
        sent.abort()
      }, leavesAfter)
      answers.set(plan.id, await sent.catch(() => undefined))
      clearTimeout(timer)
      if (answers.size % answersPerKill === 0) kill()
    }
  }))
}

test(`a ledger under ${rounds} rounds of ${requestsPerRound} random requests, seed ${seed}`, async (t) => {
  const getAccount = new Map<number, Account>()
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 8, options: '-c deadlock_timeout=20ms' },
    plugin: (pool) => ({ pool, defaults: { lockTimeout: 1000 } }),
    routes: (app) => {
      function begin (request: FastifyRequest): { plan: Plan; account: Account } {
        const plan = request.body as Plan
        const account = { rows: [], attempts: request.transaction.attempt, isDry: false, committed: false }
        getAccount.set(plan.id, account)
        return { plan, account }
      }
      for (const [name, options] of Object.entries(routes)) {
        if (name === 'callback') continue
        app.post(`/${name}`, { config: { transaction: options } }, async (request, reply) => {
          const { plan, account } = begin(request)
          await perform(request, plan, account)
          return await finish(request, reply, plan, account)
        })
      }
      app.post('/callback', { config: { transaction: routes['callback'] ?? {} } }, (request, reply) => {
        const { plan, account } = begin(request)
        perform(request, plan, account).then(() => finish(request, reply, plan, account)).then((payload) => {
          if (payload !== undefined && payload !== reply) reply.send(payload)
        }, (error: unknown) => reply.send(error))
      })
    }
  })
  const random = randomFrom(seed)
  const answers = new Map<number, Answer | undefined>()
  const plans: Plan[] = []
  await db.admin.query('insert into account select n, 0 from generate_series(0, $1::integer - 1) n', [accounts])
  const kill = () => {
    db.admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name similar to 'app|POST %' order by random() limit 1"
    ).catch(() => {})
  }
  for (let round = 0; round < rounds; round++) {
    const next = plansFor(random, plans.length)
    plans.push(...next)
    await runAll(next, send, answers, kill)
  }
  await sleep(100)
  while (pool.idleCount !== pool.totalCount) await sleep(10)

  const { rows } = await db.admin.query<{ request: number; seqs: number[] }>(
    'select request, array_agg(seq order by seq) as seqs from ledger group by request'
  )
  const stored = new Map(rows.map(({ request, seqs }) => [request, seqs]))
  const nobody: Account = { rows: [], attempts: 0, isDry: false, committed: false }
  const wrong = plans.map((plan) =>
    verdict(plan, getAccount.get(plan.id) ?? nobody, answers.get(plan.id), stored.get(plan.id) ?? [])
  ).filter((sentence) => sentence !== undefined)
  t.same(wrong, [], 'every success is stored once and whole, nothing else is')
  const sums = await db.admin.query<{ moved: number; balance: number }>(
    'select (select sum(amount)::integer from ledger) as moved, (select sum(balance)::integer from account) as balance'
  )
  t.equal(sums.rows[0]?.balance, sums.rows[0]?.moved, 'the accounts agree with the ledger')

  const all = [...answers.values()]
  const count = (matches: (answer: Answer | undefined) => boolean) => all.filter(matches).length
  t.ok(count((answer) => answer !== undefined && answer.status < 300) > all.length / 5, 'many succeed')
  t.ok(count((answer) => answer?.status === 504) > 0, 'some pass their deadline')
  t.ok(count((answer) => answer !== undefined && answer.status === 500) > 0, 'some fail')
  t.ok(count((answer) => answer === undefined) > 0, 'some leave')
  t.ok([...getAccount.values()].some(({ attempts }) => attempts > 1), 'some run again')
  const codes = new Map<string, number>()
  for (const answer of all) {
    const reported = answer === undefined ? 'no answer' : `${answer.status} ${String(answer.json['code'] ?? '')}`.trim()
    codes.set(reported, (codes.get(reported) ?? 0) + 1)
  }
  t.comment([...codes].map(([reported, times]) => `${times} × ${reported}`).join(', '))
})

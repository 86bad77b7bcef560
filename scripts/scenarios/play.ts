import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { rawSocket, sendHttp2, sendRequest, type Told } from './client.ts'
import { judge, type Verdict } from './checker.ts'
import type { Actor, Code, Scenario } from './scenario.ts'
import { openStage, type Stage } from './fixture.ts'
import type { Subject } from './system.ts'

const SETTLE_MS = 1500
const GRACE_MS = 60

/** Plays one scenario with one subject. */
export async function play (
  subject: Subject,
  scenario: Scenario,
  admin: pg.Pool,
  databaseUrl: string
): Promise<Verdict> {
  const stage = await openStage(subject, scenario, admin, databaseUrl).catch((error: unknown) => {
    const sentence = `the app does not start: ${error instanceof Error ? error.message : String(error)}`
    if (scenario.mayRefuse === true) return sentence
    throw new Error(sentence, { cause: error })
  })
  if (typeof stage === 'string') return { codes: [], detail: stage, isRefused: true }
  const told: Array<Promise<Told>> = []
  const noted = new Set<Code>()
  const actor = createActor(stage, told, noted)
  const { act } = scenario
  if (typeof act === 'function') await act(actor)
  else await actor.send('POST', '/', act).told
  const answers = await Promise.all(told)
  if (scenario.needsNoConnection === true && stage.witness.checkouts > 0) noted.add('C')
  for (const code of await settle(stage)) noted.add(code)
  const seen = { ...stage.witness, firstBytes: [...stage.witness.firstBytes] }
  if (!noted.has('K') && !await nextWorks(stage, scenario.isHttp2 === true)) noted.add('K')
  const { rows } = await admin.query<{ id: number }>('select id from item order by id')
  const verdict = judge({ told: answers, stored: rows.map(({ id }) => id), witness: seen, noted })
  await stage.end()
  return verdict
}

function createActor (stage: Stage, told: Array<Promise<Told>>, noted: Set<Code>): Actor {
  const { pool, origin, witness, step } = stage
  const look: Actor['look'] = async (text) => (await stage.admin.query<Record<string, unknown>>(text)).rows
  return {
    step,
    until,
    look,
    note: (code) => {
      noted.add(code)
    },
    raw (bytes) {
      const socket = rawSocket(origin, bytes)
      return { ...socket, leave: () => notice(socket.destroy, () => witness.disconnected) }
    },
    pool: () => usage(pool),
    send (method, path, expected) {
      const sent = sendRequest(origin, method, path, expected)
      told.push(sent.told)
      return { told: sent.told, abort: () => notice(sent.destroy, () => witness.closed) }
    },
    isRunning: async (text) => (await sessions(stage, 'active')).some(({ query }) => query.includes(text)),
    sendHttp2 (path, expected) {
      const sent = sendHttp2(origin, path, expected)
      told.push(sent.told)
      return { told: sent.told, reset: () => notice(sent.reset, () => witness.closed) }
    },
    async kill (state, text = '') {
      const victims = async (): Promise<number[]> =>
        (await sessions(stage, state)).filter(({ query }) => query.includes(text)).map(({ pid }) => pid)
      await until(async () => (await victims()).length > 0)
      for (const pid of await victims()) await stage.admin.query('select pg_terminate_backend($1)', [pid])
      await sleep(GRACE_MS)
    }
  }
}

/** Leaves, and waits until the server has noticed. */
async function notice (leave: () => void, count: () => number): Promise<void> {
  const before = count()
  leave()
  await until(() => count() > before)
}

/** Waits until nothing of the app is busy any more, and tells what stays so. */
async function settle (stage: Stage): Promise<Code[]> {
  const codes: Code[] = []
  const isIdle = async (): Promise<boolean> => {
    const { checkedOut, waiting } = usage(stage.pool)
    return checkedOut === 0 && waiting === 0 && (await sessions(stage)).every(({ state }) => state === 'idle')
  }
  if (!await until(isIdle, SETTLE_MS)) {
    if ((await sessions(stage, 'active')).length > 0) codes.push('S')
    await until(async () => (await sessions(stage, 'active')).length === 0)
    if (!await until(isIdle, SETTLE_MS / 3)) codes.push('K')
  }
  await sleep(GRACE_MS)
  return codes
}

/** Does the next request get a connection? A scenario may have closed the app. */
async function nextWorks ({ app, origin }: Stage, isHttp2: boolean): Promise<boolean> {
  if (!app.server.listening) return true
  const { status } = await (isHttp2 ? sendHttp2(origin, '/next', {}) : sendRequest(origin, 'POST', '/next', {})).told
  return status === 200
}

interface Session {
  pid: number
  state: string
  query: string
}

async function sessions (stage: Stage, state?: string): Promise<Session[]> {
  const { rows } = await stage.admin.query<Session>(`select pid, state, lower(query) as query from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and application_name <> 'scenarios' and state is not null`)
  return rows.filter((session) => state === undefined || session.state === state)
}

function usage (pool: pg.Pool): { checkedOut: number; waiting: number } {
  return { checkedOut: pool.totalCount - pool.idleCount, waiting: pool.waitingCount }
}

async function until (isTrue: () => boolean | Promise<boolean>, milliseconds = 5000): Promise<boolean> {
  for (const end = performance.now() + milliseconds; performance.now() < end; await sleep(10)) {
    if (await isTrue()) return true
  }
  return false
}

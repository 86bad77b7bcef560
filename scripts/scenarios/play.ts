import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { rawSocket, sendHttp2, sendRequest, type Reported } from './client.ts'
import { check, type Verdict } from './checker.ts'
import type { Client, Code, Scenario } from './scenario.ts'
import { openSetup, type Setup, type Stores } from './fixture.ts'
import type { System } from './system.ts'

const SETTLE_MS = 1500
const GRACE_MS = 60

/** Plays one scenario with one system. */
export async function play (system: System, scenario: Scenario, stores: Stores): Promise<Verdict> {
  if (scenario.isInBoth === true && (system.both === undefined || stores.mongodbUrl === '')) {
    return { codes: [], detail: 'not played', isLeftOut: true }
  }
  const setup = await openSetup(system, scenario, stores).catch((error: unknown) => {
    const sentence = `the app does not start: ${error instanceof Error ? error.message : String(error)}`
    if (scenario.mayRefuse === true) return sentence
    throw new Error(sentence, { cause: error })
  })
  if (typeof setup === 'string') return { codes: [], detail: setup, isRefused: true }
  const reported: Array<Promise<Reported>> = []
  const noted = new Set<Code>()
  const client = createActor(setup, reported, noted)
  const { act } = scenario
  if (typeof act === 'function') await act(client)
  else await client.send('POST', '/', act).reported
  const answers = await Promise.all(reported)
  if (scenario.needsNoConnection === true && setup.recorder.checkouts > 0) noted.add('C')
  for (const code of await settle(setup)) noted.add(code)
  const seen = { ...setup.recorder, firstBytes: [...setup.recorder.firstBytes] }
  if (!noted.has('K') && !await nextWorks(setup, scenario.isHttp2 === true)) noted.add('K')
  const verdict = check({ reported: answers, stored: await readStored(setup), recorder: seen, noted })
  await setup.end()
  return verdict
}

async function readStored ({ admin, mongo }: Setup): Promise<number[]> {
  const { rows } = await admin.query<{ id: number }>('select id from item order by id')
  const documents = await mongo?.db.collection<{ _id: number }>('item').find().sort({ _id: 1 }).toArray() ?? []
  return [...rows.map(({ id }) => id), ...documents.map(({ _id }) => _id)]
}

function createActor (setup: Setup, reported: Array<Promise<Reported>>, noted: Set<Code>): Client {
  const { pool, origin, recorder, step } = setup
  const look: Client['look'] = async (text) => (await setup.admin.query<Record<string, unknown>>(text)).rows
  return {
    step,
    until,
    look,
    note: (code) => {
      noted.add(code)
    },
    raw (bytes) {
      const socket = rawSocket(origin, bytes)
      return { ...socket, leave: () => notice(socket.destroy, () => recorder.disconnected) }
    },
    pool: () => usage(pool),
    send (method, path, expected) {
      const sent = sendRequest(origin, method, path, expected)
      reported.push(sent.reported)
      return { reported: sent.reported, abort: () => notice(sent.destroy, () => recorder.closed) }
    },
    isRunning: async (text) => (await sessions(setup, 'active')).some(({ query }) => query.includes(text)),
    sendHttp2 (path, expected) {
      const sent = sendHttp2(origin, path, expected)
      reported.push(sent.reported)
      return { reported: sent.reported, reset: () => notice(sent.reset, () => recorder.closed) }
    },
    async kill (state, text = '') {
      const victims = async (): Promise<number[]> =>
        (await sessions(setup, state)).filter(({ query }) => query.includes(text)).map(({ pid }) => pid)
      await until(async () => (await victims()).length > 0)
      for (const pid of await victims()) await setup.admin.query('select pg_terminate_backend($1)', [pid])
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
async function settle (setup: Setup): Promise<Code[]> {
  const codes: Code[] = []
  const isIdle = async (): Promise<boolean> => {
    const { checkedOut, waiting } = usage(setup.pool)
    return checkedOut === 0 && waiting === 0 && (await sessions(setup)).every(({ state }) => state === 'idle')
  }
  if (!await until(isIdle, SETTLE_MS)) {
    if ((await sessions(setup, 'active')).length > 0) codes.push('S')
    await until(async () => (await sessions(setup, 'active')).length === 0)
    if (!await until(isIdle, SETTLE_MS / 3)) codes.push('K')
  }
  await sleep(GRACE_MS)
  return codes
}

/** Does the next request get a connection? A scenario may have closed the app. */
async function nextWorks ({ app, origin }: Setup, isHttp2: boolean): Promise<boolean> {
  if (!app.server.listening) return true
  const { status } = await (isHttp2 ? sendHttp2(origin, '/next', {}) : sendRequest(origin, 'POST', '/next', {}))
    .reported
  return status === 200
}

interface Session {
  pid: number
  state: string
  query: string
}

async function sessions (setup: Setup, state?: string): Promise<Session[]> {
  const { rows } = await setup.admin.query<Session>(`select pid, state, lower(query) as query from pg_stat_activity
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

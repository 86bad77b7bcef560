import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askTokens, becomeEqual, begin, countConfirmed, findLostPosts } from './aftermath.ts'
import { audit, countInDoubt, sqlOrders, sqlUsers, untilQuiet, type Stores } from './audit.ts'
import { FAILURES, type Databases, type Failure, type FailureName } from './failures.ts'
import { brokenPromises, emptyTally, type Fact, type Tally } from './history.ts'
import { Patroni } from './patroni.ts'
import { PostgresPair } from '../../test/servers/postgres-pair.ts'
import { ReplicaSet } from './replica-set.ts'
import { withStores } from './run.ts'
import { Services, type Running } from './services.ts'

export interface FailoverRunOptions {
  /** Folder for databases and logs; must be empty or new. */
  dataDir: string
  /** Every write is one in both stores. Default false. */
  twoPhase?: boolean
  /** Default: all. */
  failovers?: readonly FailureName[]
  /** Milliseconds of writing before the failover, around it twice, and after it. Default 2000. */
  writing?: number
  /** Members of MongoDB's replica set. Default 3. */
  members?: number
  /** The compiled service, to run instead of server.ts. */
  server?: string | undefined
  /** Told a line for each broken promise. */
  say?: (line: string) => void
}

/** What came of one failover. */
export interface FailoverResult {
  tally: Tally
  /** Acknowledged users and orders that the standby did not have: what asynchronous replication costs. */
  gone: { users: number; orders: number }
  /** Acknowledged posts that are not in MongoDB, which has not failed. */
  lostPosts: number
  /** Tokens of writes that are gone, and were confirmed all the same. */
  lies: number
  /** False where a store had gone back and no line of the log says so. */
  isSaid: boolean
  areEqual: boolean
  /** Milliseconds from the kill until a write was acknowledged, and from the last write until the copies were equal. */
  away: number
  catchUp: number
}

/** Fails over each in turn, every time with databases and services of its own, under writing clients. */
export async function runFailovers (options: FailoverRunOptions): Promise<Record<string, FailoverResult>> {
  const results: Record<string, FailoverResult> = {}
  for (const failover of options.failovers ?? Object.keys(FAILURES) as FailureName[]) {
    const failure: Failure = FAILURES[failover]
    const missing = failure.missing?.()
    if (missing !== undefined) {
      options.say?.(`left out: ${failover}, ${missing}`)
      continue
    }
    results[failover] = await runFailover(failure, {
      ...options,
      dataDir: mkdtempSync(path.join(options.dataDir, 'f-'))
    })
  }
  return results
}

/** The broken promises of a failover. */
export function countBroken ({ tally, lostPosts, lies, isSaid, areEqual }: FailoverResult): number {
  return brokenPromises(tally) + lostPosts + lies + (isSaid ? 0 : 1) + (areEqual ? 0 : 1)
}

async function runFailover (failure: Failure, options: FailoverRunOptions): Promise<FailoverResult> {
  const { dataDir, server, members = 3 } = options
  const ends: Array<() => Promise<void>> = []
  try {
    const set = await ReplicaSet.start(dataDir, members)
    ends.push(() => set.stop())
    const postgres = await start(failure, { set, folder: dataDir, endWith: (end) => ends.push(end) })
    const stores = { postgres: postgres.url, mongodb: set.url }
    const services = await Services.start(dataDir, 2, stores, server)
    ends.push(() => services.stop())
    const running = { ...stores, urls: services.urls }
    let makeGood: (() => void) | undefined
    const written = await writeAround(running, options, {
      before: postgres.before,
      fail: async () => {
        makeGood = await postgres.fail()
        if (makeGood !== undefined) ends.push(async () => makeGood?.())
      },
      after: async () => {
        makeGood?.()
        await services.untilReady()
      }
    })
    const isAsynchronous = failure.isLossy === true
    // A primary that was left behind may answer too: the truth is on the other one.
    return await judge({ ...running, postgres: await postgres.findPrimary() }, written, {
      isAsynchronous,
      log: services.log,
      say: options.say ?? (() => {})
    })
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

/** A PostgreSQL of more than one server, and what happens to it. */
interface Cluster {
  url: string
  findPrimary: () => Promise<string>
  before: () => Promise<void>
  fail: () => Promise<(() => void) | undefined>
}

async function start (failure: Failure, rest: Omit<Databases, 'pair'>): Promise<Cluster> {
  const { patroni: happen, connectToPatroni } = failure
  if (happen !== undefined) {
    const patroni = await Patroni.start()
    rest.endWith(() => patroni.stop())
    return {
      url: connectToPatroni?.(patroni) ?? patroni.url,
      findPrimary: () => patroni.findPrimary(),
      before: async () => {},
      fail: () => happen(patroni)
    }
  }
  const pair = await PostgresPair.start(rest.folder, failure.isSynchronous === true)
  rest.endWith(() => pair.stop())
  const databases = { ...rest, pair }
  return {
    url: await failure.connect?.(databases) ?? pair.url,
    findPrimary: async () => pair.servers.primary,
    before: async () => await failure.before?.(databases),
    fail: async () => await failure.fail?.(databases)
  }
}

interface Written {
  tally: Tally
  /** Histories of the clients that wrote before it, around it and after it, by the prefix of their markers. */
  histories: Record<'fa' | 'fm' | 'fz', Fact[]>
  tokens: string[]
  away: number
}

/** Clients write, the standby may be cut off, others write while the database fails, others after that. */
async function writeAround (
  running: Running,
  { writing = 2000, twoPhase = false }: FailoverRunOptions,
  { before, fail, after }: Record<'before' | 'fail' | 'after', () => Promise<void>>
): Promise<Written> {
  const tally = emptyTally()
  const kind = twoPhase ? 'both' : 'each'
  const first = begin(running, 'fa', tally, kind)
  await sleep(writing)
  const fa = await first.end()
  await before()
  const second = begin(running, 'fm', tally, kind)
  await sleep(writing)
  const tokens = await askTokens(running, 'ft')
  const killed = performance.now()
  await fail()
  await untilWritten(running)
  const away = performance.now() - killed
  await sleep(writing)
  const fm = await second.end()
  await after()
  const third = begin(running, 'fz', tally, kind)
  await sleep(writing)
  return { tally, tokens, away, histories: { fa, fm, fz: await third.end() } }
}

async function untilWritten ({ urls: [url = ''] }: Running): Promise<void> {
  for (let n = 0;; n++) {
    const response = await fetch(`${url}/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'after', email: `after${n}@ft.example.com` })
    }).catch(() => undefined)
    await response?.body?.cancel()
    if (response?.status === 201) return
    await sleep(50)
  }
}

async function judge (
  running: Running,
  { tally, histories, tokens, away }: Written,
  { isAsynchronous, log, say }: { isAsynchronous: boolean; log: string; say: (line: string) => void }
): Promise<FailoverResult> {
  return await withStores(running, async (stores) => {
    const started = performance.now()
    // A half that the standby did not have cannot end by itself: it is listed, and nobody's promise.
    if (!isAsynchronous) tally.inDoubt += await countInDoubt(stores)
    await untilQuiet(stores, 'f')
    const areEqual = await becomeEqual(stores, 'f')
    if (!areEqual) say('the copies are not equal')
    const catchUp = performance.now() - started
    const gone = isAsynchronous ? await findGone(stores, histories.fm) : []
    const facts = { ...histories, fm: forgive(histories.fm, gone) }
    for (const [prefix, some] of Object.entries(facts)) await audit(stores, prefix, some, tally, say)
    const lostPosts = await findLostPosts(stores, 'f', histories.fm)
    for (const fact of lostPosts) say(`lost: ${JSON.stringify(fact)}`)
    const lies = isAsynchronous ? await countConfirmed(running, tokens) : 0
    if (lies > 0) say(`${lies} tokens of what is gone were confirmed`)
    const isSaid = !isAsynchronous || log.includes('went back in time')
    if (!isSaid) say('PostgreSQL went back, and no line of the log says so')
    const count = (kind: Fact['kind']) => gone.filter((fact) => fact.kind === kind).length
    const counts = { users: count('user') + count('both'), orders: count('order') }
    return { tally, gone: counts, lostPosts: lostPosts.length, lies, isSaid, areEqual, away, catchUp }
  })
}

/** Users and orders that were acknowledged and that the standby does not have. */
async function findGone (stores: Stores, facts: Fact[]): Promise<Fact[]> {
  const users = await sqlUsers(stores, 'fm')
  const there = { user: users, both: users, order: await sqlOrders(stores, 'fm') }
  return facts.filter(({ kind, made, marker }) => kind !== 'post' && made === 'acked' && !there[kind].has(marker))
}

/**
 * What is gone with the primary is no broken promise of the service; nor is it where posts of such a user stay, or go
 * because the deletion was carried over before it was forgotten.
 */
function forgive (facts: Fact[], gone: Fact[]): Fact[] {
  const lost = new Set(gone)
  const owners = new Set(gone.map(({ marker }) => marker))
  return facts.map((fact): Fact => {
    // Of what was one in both stores the post is left.
    if (lost.has(fact)) return { ...fact, made: 'unknown', kind: fact.kind === 'both' ? 'post' : fact.kind }
    const { owner, ...post } = fact
    const isOrphan = fact.kind === 'post' && owner !== undefined && owners.has(owner)
    return isOrphan && fact.deleted === undefined ? { ...post, made: 'unknown' } : fact
  })
}

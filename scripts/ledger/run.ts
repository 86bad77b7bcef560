import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { HostsClient } from '../../drizzle/hosts/client.ts'
import { audit, countInDoubt, countLeftDecisions, untilQuiet, type Stores } from './audit.ts'
import { add, brokenPromises, emptyTally, type Tally } from './history.ts'
import { Processes, type Victim } from './processes.ts'
import type { StoreUrls } from './services.ts'
import { Writer } from './writer.ts'

const FIRST_ANSWER_MS = 10_000

export interface LedgerOptions {
  /** Folder for databases and logs; must be empty or new. */
  dataDir: string
  /** What each round kills, in turn. */
  victims: Victim[]
  /** Writes only what one request makes in both stores. Default false. */
  twoPhase?: boolean
  /** Processes of the service. Default 2. */
  instances?: number
  /** Clients that write at the same time. Default 6. */
  writers?: number
  /** Milliseconds of writing per round. Default 1500. */
  writing?: number
  /** Milliseconds until the victim is started again, or made good; default 100 to 700 at random. */
  away?: number
  /** The compiled service, to run instead of server.ts. */
  server?: string | undefined
  /** Told a line for each round and each broken promise. */
  say?: (line: string) => void
  /** Rounds that one line is about; broken promises are told at once. Default 1. */
  roundsPerLine?: number
}

/** What came of it, by victim. */
export interface LedgerResult {
  tallies: Partial<Record<Victim, Tally & { rounds: number }>>
  /** Milliseconds from the end of writing until both stores agreed, for each round. */
  catchUp: number[]
  /** Decisions of both stores that were carried out and have stayed, when all was over. */
  leftDecisions: number
}

/**
 * Random writes over HTTP while a process of the service, PostgreSQL or mongod is killed; after each round what clients
 * were told is compared with both stores.
 */
export async function runLedger (options: LedgerOptions): Promise<LedgerResult> {
  const { dataDir, victims, instances = 2, server } = options
  const result: LedgerResult = { tallies: {}, catchUp: [], leftDecisions: 0 }
  const processes = await Processes.start({ dataDir, instances, server, victims })
  const tell = createTeller(options)
  try {
    for (const [round, victim] of victims.entries()) {
      const part = emptyTally()
      const caughtUp = await runRound(processes, `r${round}x`, victim, part, options)
      const sum = result.tallies[victim] ??= { ...emptyTally(), rounds: 0 }
      add(sum, part)
      sum.rounds++
      result.catchUp.push(caughtUp)
      tell(round + 1, victim, part, caughtUp)
    }
    result.leftDecisions = await withStores(processes, countLeftDecisions)
  } finally {
    await processes.stop()
  }
  return result
}

/** Tells of every round, or of several in one line. */
function createTeller ({ victims: { length }, say = () => {}, roundsPerLine = 1 }: LedgerOptions) {
  const started = performance.now()
  let sum = emptyTally()
  return (round: number, victim: Victim, part: Tally, caughtUp: number) => {
    add(sum, part)
    if (round % roundsPerLine !== 0 && round !== length) return
    const seconds = ((performance.now() - started) / 1000 / round).toFixed(1)
    const written = `${sum.requests} requests, ${sum.unknown} without an answer`
    say(
      roundsPerLine === 1
        ? `round ${round} of ${length}, ${victim}: ${written}; both stores agreed after ${Math.round(caughtUp)} ms`
        : `round ${round} of ${length}: ${written}, ${brokenPromises(sum)} broken promises; ${seconds} s a round`
    )
    sum = emptyTally()
  }
}

async function runRound (
  processes: Processes,
  prefix: string,
  victim: Victim,
  tally: Tally,
  options: LedgerOptions
): Promise<number> {
  const { writers: count = 6, writing = 1500, away = 100 + Math.random() * 600, twoPhase = false, say = () => {} } =
    options
  const writers = Array.from(
    { length: count },
    (_, at) => new Writer(processes.urls, `${prefix}w${at}`, tally, twoPhase ? 'both' : 'each')
  )
  const stop = new AbortController()
  const written = Promise.all(writers.map((writer) => writer.run(stop.signal)))
  await untilAcked(tally)
  await sleep(Math.random() * writing * 0.8)
  const revive = await processes.kill(victim)
  await sleep(away)
  await revive()
  await sleep(writing * 0.2 + Math.random() * writing * 0.2)
  stop.abort()
  await written
  await processes.untilReady()
  return await withStores(processes, async (stores) => {
    tally.inDoubt += await countInDoubt(stores)
    const caughtUp = await untilQuiet(stores, prefix)
    await audit(stores, prefix, writers.flatMap(({ facts }) => facts), tally, say)
    return caughtUp
  })
}

/** What is killed must be at work: the last round may have left connections to be made. */
async function untilAcked (tally: Tally): Promise<void> {
  for (const end = performance.now() + FIRST_ANSWER_MS; tally.acked === 0 && performance.now() < end;) await sleep(5)
}

/** Connects to both stores past the service, for as long as the work takes. */
export async function withStores<Result> (
  processes: StoreUrls,
  work: (stores: Stores) => Promise<Result>
): Promise<Result> {
  const sql = new HostsClient({ connectionString: processes.postgres })
  const mongo = new MongoClient(processes.mongodb)
  try {
    await Promise.all([sql.connect(), mongo.connect()])
    return await work({ sql, mongo: mongo.db('ledger') })
  } finally {
    await Promise.allSettled([sql.end(), mongo.close()])
  }
}

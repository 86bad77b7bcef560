// `npm run ledger -- --rounds 200`: kills service, PostgreSQL and mongod under random writes and compares what clients were told with both stores.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { failCommand } from './fail-command.ts'
import { buildService } from './ledger/build-service.ts'
import { endRun } from './ledger/end.ts'
import { countBroken, runFailovers, type FailoverResult } from './ledger/failover.ts'
import { TWO_PHASE_FAILURES } from './ledger/failures.ts'
import { brokenPromises, type Tally } from './ledger/history.ts'
import type { Victim } from './ledger/processes.ts'
import { runRestores } from './ledger/restore.ts'
import { runLedger, type LedgerResult } from './ledger/run.ts'
import { noSmallDisk } from './ledger/small-disk.ts'

const USAGE =
  `npm run ledger -- [--rounds 20] [--instances 2] [--writing <ms>] [--away <ms>] [--only service|postgres|mongod]
  --writing: how long clients write in a round, 1500; --away: until what was killed is started again, 100 to 700 at random
  --away 60000 --only mongod --rounds 1: MongoDB is gone for a minute
npm run ledger -- --two-phase [--rounds 20] [--only <name>] …: every write is one in both stores. Names:
  service, postgres, mongod: killed; step: the service ends itself at a step of the commit;
  role: so does one whose transactions set a role; clock: the service is killed while its processes live hours apart;
  disk: PostgreSQL has no room, for root on Linux only
  --rounds 1000 --writing 400: an hour on two cores
npm run ledger -- --restore: PostgreSQL alone, then MongoDB alone, is restored to an earlier moment
npm run ledger -- --failover [--two-phase]: PostgreSQL fails over to an asynchronous, then to a synchronous standby; then MongoDB's primary is killed`
/** At most so many tell of the rounds. */
const LINES = 40
const TURNS: Victim[] = ['service', 'postgres', 'service', 'mongod']
const TWO_PHASE_TURNS: Victim[] = ['service', 'postgres', 'step', 'mongod', 'clock', 'step', 'role', 'disk']

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      instances: { type: 'string' },
      away: { type: 'string' },
      writing: { type: 'string' },
      only: { type: 'string' },
      restore: { type: 'boolean', default: false },
      failover: { type: 'boolean', default: false },
      'two-phase': { type: 'boolean', default: false }
    }
  })
  if (values.restore) return await restore()
  const twoPhase = values['two-phase']
  if (values.failover) return await failover(twoPhase)
  const [rounds, instances, writing, away] = [values.rounds, values.instances, values.writing, values.away].map(
    toNumber
  )
  const victims = listVictims(twoPhase ? listTwoPhaseTurns() : TURNS, rounds, values.only)
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-ledger-'))
  const result = await runLedger({
    dataDir,
    victims,
    twoPhase,
    ...(instances !== undefined && { instances }),
    ...(writing !== undefined && { writing }),
    ...(away !== undefined && { away }),
    server: buildService(dataDir),
    roundsPerLine: Math.ceil((rounds ?? 1) / LINES),
    say: console.log
  })
  endRun(report(result), dataDir)
}

function toNumber (text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new RangeError(`${text} is no whole number from 1`)
}

/** All that can be tried here; says what cannot. */
function listTwoPhaseTurns (): Victim[] {
  const missing = noSmallDisk()
  if (missing === undefined) return TWO_PHASE_TURNS
  console.log(`left out: disk, ${missing}`)
  return TWO_PHASE_TURNS.filter((victim) => victim !== 'disk')
}

/** What each round kills: the turns one after the other, or one of them alone. */
function listVictims (turns: Victim[], rounds = 20, only?: string): Victim[] {
  const chosen = only === undefined ? turns : turns.filter((victim) => victim === only)
  if (chosen.length === 0) throw new RangeError(`--only takes one of ${[...new Set(turns)].join(', ')}`)
  return Array.from({ length: rounds }, (_, round) => chosen[round % chosen.length] as Victim)
}

async function restore (): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-ledger-'))
  endRun(await runRestores({ dataDir, server: buildService(dataDir), say: console.log }), dataDir)
}

async function failover (twoPhase: boolean): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-ledger-'))
  const results = await runFailovers({
    dataDir,
    server: buildService(dataDir),
    twoPhase,
    failovers: TWO_PHASE_FAILURES,
    say: console.log
  })
  console.table(Object.fromEntries(Object.entries(results).map(([name, result]) => [name, toRow(result)])))
  endRun(Object.values(results).reduce((sum, result) => sum + countBroken(result), 0), dataDir)
}

function toRow ({ tally, gone, lostPosts, lies, isSaid, areEqual, away, catchUp }: FailoverResult) {
  const { requests, acked, refused, unknown, lost, half, ghost, double, wrong, inDoubt } = tally
  return {
    requests,
    '2xx': acked,
    refused,
    unanswered: unknown,
    'not on the standby': `${gone.users} users, ${gone.orders} orders`,
    'posts lost': lostPosts,
    'tokens that lie': lies,
    'lost half ghost double wrong': [lost, half, ghost, double, wrong].join(' '),
    'in doubt': inDoubt,
    'said so': isSaid,
    'copies equal': areEqual ? `after ${Math.round(catchUp)} ms` : 'no',
    'first write': `after ${Math.round(away)} ms`
  }
}

function report ({ tallies, catchUp, leftDecisions }: LedgerResult): number {
  const rows = Object.entries(tallies)
  console.table(
    Object.fromEntries(
      rows.map((
        [victim, { rounds, requests, acked, refused, unknown, unserved: _, settled, replayed, ...broken }]
      ) => [victim, {
        rounds,
        requests,
        '2xx': acked,
        refused,
        unanswered: unknown,
        'asked again': settled,
        replayed,
        ...broken
      }])
    )
  )
  const sorted = catchUp.toSorted((a, b) => a - b)
  console.log(
    `Both stores agreed after ${Math.round(sorted[sorted.length >> 1] ?? 0)} ms (median), ${
      Math.round(sorted.at(-1) ?? 0)
    } ms (longest).`
  )
  if (leftDecisions > 0) console.log(`${leftDecisions} decisions were carried out and have stayed.`)
  return rows.reduce((sum, [, tally]) => sum + brokenPromises(tally as Tally), leftDecisions)
}

main().catch((error: unknown) => {
  failCommand(error, USAGE, (thrown) => thrown)
})

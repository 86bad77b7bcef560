// `npm run ledger -- --rounds 200`: kills service, PostgreSQL and mongod under random writes and compares what clients were told with both stores.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { failCommand } from './fail-command.ts'
import { endRun } from './ledger/end.ts'
import { countBroken, runFailovers, type FailoverResult } from './ledger/failover.ts'
import { brokenPromises, type Tally } from './ledger/history.ts'
import type { Victim } from './ledger/processes.ts'
import { runRestores } from './ledger/restore.ts'
import { runLedger, type LedgerResult } from './ledger/run.ts'

const USAGE = `npm run ledger -- [--rounds 20] [--instances 2] [--away <ms>] [--only service|postgres|mongod]
  --away 60000 --only mongod --rounds 1: MongoDB is gone for a minute
npm run ledger -- --two-phase [--rounds 20] …: every write is one in both stores; also kills at each step of their commit
npm run ledger -- --restore: PostgreSQL alone, then MongoDB alone, is restored to an earlier moment
npm run ledger -- --failover: PostgreSQL fails over to an asynchronous, then to a synchronous standby; then MongoDB's primary is killed`
const TURNS: Victim[] = ['service', 'postgres', 'service', 'mongod']
const TWO_PHASE_TURNS: Victim[] = ['service', 'postgres', 'step', 'mongod']

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '20' },
      instances: { type: 'string', default: '2' },
      away: { type: 'string' },
      only: { type: 'string' },
      restore: { type: 'boolean', default: false },
      failover: { type: 'boolean', default: false },
      'two-phase': { type: 'boolean', default: false }
    }
  })
  if (values.restore) return await restore()
  if (values.failover) return await failover()
  const [rounds, instances, away] = [
    Number(values.rounds),
    Number(values.instances),
    values.away === undefined ? undefined : Number(values.away)
  ]
  const twoPhase = values['two-phase']
  const turns = twoPhase ? TWO_PHASE_TURNS : TURNS
  const only = turns.find((victim) => victim === values.only)
  const areNumbers = [rounds, instances, away ?? 1].every((number) => Number.isSafeInteger(number) && number > 0)
  if (!areNumbers || (values.only !== undefined && only === undefined)) {
    throw new RangeError('a number is no whole number from 1, or the victim is not known')
  }
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-ledger-'))
  const victims = Array.from({ length: rounds }, (_, round) => only ?? turns[round % turns.length] as Victim)
  const result = await runLedger({
    dataDir,
    victims,
    instances,
    twoPhase,
    ...(away !== undefined && { away }),
    say: console.log
  })
  endRun(report(result), dataDir)
}

async function restore (): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-ledger-'))
  endRun(await runRestores({ dataDir, say: console.log }), dataDir)
}

async function failover (): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-ledger-'))
  const results = await runFailovers({
    dataDir,
    failovers: ['asynchronous standby', 'synchronous standby', 'mongodb'],
    say: console.log
  })
  console.table(Object.fromEntries(Object.entries(results).map(([name, result]) => [name, toRow(result)])))
  endRun(Object.values(results).reduce((sum, result) => sum + countBroken(result), 0), dataDir)
}

function toRow ({ tally, gone, lostPosts, lies, isSaid, areEqual, away, catchUp }: FailoverResult) {
  const { requests, acked, refused, unknown, lost, half, ghost, double, wrong } = tally
  return {
    requests,
    '2xx': acked,
    refused,
    unanswered: unknown,
    'not on the standby': `${gone.users} users, ${gone.orders} orders`,
    'posts lost': lostPosts,
    'tokens that lie': lies,
    'lost half ghost double wrong': [lost, half, ghost, double, wrong].join(' '),
    'said so': isSaid,
    'copies equal': areEqual ? `after ${Math.round(catchUp)} ms` : 'no',
    'first write': `after ${Math.round(away)} ms`
  }
}

function report ({ tallies, catchUp }: LedgerResult): number {
  const rows = Object.entries(tallies).filter(([, { rounds }]) => rounds > 0)
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
  return rows.reduce((sum, [, tally]) => sum + brokenPromises(tally as Tally), 0)
}

main().catch((error: unknown) => {
  failCommand(error, USAGE, (thrown) => thrown)
})

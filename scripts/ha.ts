// `npm run ha`: databases, standbys and instances on this machine are killed, frozen, promoted and replaced under writing clients; ends with a table of what was kept.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { failCommand } from './fail-command.ts'
import { buildService } from './ledger/build-service.ts'
import { endRun } from './ledger/end.ts'
import { countBroken, runFailovers } from './ledger/failover.ts'
import { FAILURES, TWO_PHASE_FAILURES, type FailureName } from './ledger/failures.ts'
import { findHaproxy } from './ledger/haproxy.ts'
import { brokenPromises, type Tally } from './ledger/history.ts'
import { LEAST_WITH_MIGRATIONS, runRolling } from './ledger/rolling.ts'
import { runLedger } from './ledger/run.ts'

const IN_BOTH = 'both stores, '
const NAMES = [
  ...Object.keys(FAILURES),
  ...TWO_PHASE_FAILURES.map((name) => `${IN_BOTH}${name}`),
  'instances killed',
  'rolling deploy'
]
const USAGE = `npm run ha -- [--only <name>]… [--times 20] [--rounds 8]
  names: ${NAMES.join('; ')}
  --times: how often an instance is replaced in the rolling deploy; --rounds: kills of instances and databases`

interface Row {
  acked: number
  lost: number
  'refused, yet there': number
  halves: number
  doubles: number
  'false tokens': number
  'lost with the primary': string
  's without acks': string
}

const rows: Record<string, Row> = {}
let broken = 0
const folder = mkdtempSync(path.join(tmpdir(), 'tandem-ha-'))
let server: string | undefined
/** Built once, when it is first wanted. */
const findServer = () => server ??= buildService(folder)
const inFolder = () => mkdtempSync(path.join(folder, 'r-'))

function toRow ({ acked, lost, ghost, half, wrong, inDoubt, double }: Tally, rest: Partial<Row> = {}): Row {
  return {
    acked,
    lost,
    'refused, yet there': ghost,
    halves: half + wrong + inDoubt,
    doubles: double,
    'false tokens': 0,
    'lost with the primary': '',
    's without acks': '',
    ...rest
  }
}

async function runFailures (names: readonly FailureName[], twoPhase: boolean): Promise<void> {
  const results = await runFailovers({
    dataDir: inFolder(),
    failovers: names,
    twoPhase,
    server: findServer(),
    say: console.log
  })
  for (const [name, result] of Object.entries(results)) {
    const { tally, gone, lostPosts, lies, away } = result
    rows[`${twoPhase ? IN_BOTH : ''}${name}`] = toRow(tally, {
      lost: tally.lost + lostPosts,
      'false tokens': lies,
      ...(name === 'asynchronous standby' && {
        'lost with the primary': `${gone.users + gone.orders}, said in the log`
      }),
      's without acks': (away / 1000).toFixed(1)
    })
    broken += countBroken(result)
  }
}

async function runKills (rounds: number): Promise<void> {
  const turns = ['service', 'postgres', 'step', 'mongod', 'role', 'clock'] as const
  const victims = Array.from({ length: rounds }, (_, round) => turns[round % turns.length] ?? 'service')
  const { tallies } = await runLedger({
    dataDir: inFolder(),
    victims,
    instances: 2,
    twoPhase: true,
    server: findServer(),
    say: console.log
  })
  for (const [victim, tally] of Object.entries(tallies)) {
    rows[`both stores, ${victim}`] = toRow(tally)
    broken += brokenPromises(tally)
  }
}

async function runDeploys (times: number): Promise<void> {
  if (findHaproxy() === undefined) return console.log('left out: rolling deploy, HAProxy is not installed')
  const isMigrated = times >= LEAST_WITH_MIGRATIONS
  const options = { dataDir: inFolder(), times, isMigrated, server: findServer(), say: console.log }
  const { tally, failed, badExits, broken: lies } = await runRolling(options)
  console.log(`rolling deploy: ${tally.requests} requests, ${failed} failed, ${badExits} instances ended badly`)
  rows[`rolling deploy, ${times} times${isMigrated ? ', two migrations' : ''}`] = toRow(tally, {
    's without acks': failed === 0 ? '0' : `${failed} failed`
  })
  broken += lies + failed + badExits
}

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      times: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '8' }
    }
  })
  const [times, rounds] = [Number(values.times), Number(values.rounds)]
  const isWanted = (name: string) => values.only?.includes(name) ?? true
  const names = (Object.keys(FAILURES) as FailureName[]).filter(isWanted)
  if (![times, rounds].every((n) => Number.isSafeInteger(n) && n > 0)) throw new RangeError('not a whole number from 1')
  if (values.only?.some((name) => !NAMES.includes(name)) === true) throw new RangeError('no such name')
  const inBoth = TWO_PHASE_FAILURES.filter((name) => isWanted(`${IN_BOTH}${name}`))
  if (names.length > 0) await runFailures(names, false)
  if (inBoth.length > 0) await runFailures(inBoth, true)
  if (isWanted('instances killed')) await runKills(rounds)
  if (isWanted('rolling deploy')) await runDeploys(times)
  console.table(rows)
  endRun(broken, folder)
}

main().catch((error: unknown) => {
  failCommand(error, USAGE, (thrown) => thrown)
})

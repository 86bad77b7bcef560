import path from 'node:path'
import { startEmbedded, stopEmbedded } from 'dev-databases'
import { migrate } from '../../drizzle/migrate.ts'
import { begin } from './aftermath.ts'
import { audit, untilQuiet } from './audit.ts'
import { startHaproxy } from './haproxy.ts'
import { brokenPromises, emptyTally, type Tally } from './history.ts'
import { withStores } from './run.ts'
import { Services } from './services.ts'
import { makeVersions, type Version } from './versions.ts'

const INSTANCES = 2
/** HAProxy notices within two checks, 200 ms each; readiness is a second old at most, and machines are busy. */
const DELAY_MS = 3000
const VERSIONS = 4
/** Replacements: so that each version has all instances for itself once. */
export const LEAST_WITH_MIGRATIONS = VERSIONS * INSTANCES

export interface RollingOptions {
  /** Folder for databases and logs; must be empty or new. */
  dataDir: string
  /** How often an instance is ended with SIGTERM and started again, in turns. */
  times: number
  /** True: a column comes and goes meanwhile, and versions with and without it run side by side. Needs `server` */
  isMigrated?: boolean
  /** The compiled service, to run instead of server.ts. */
  server?: string | undefined
  /** Told a line for each broken promise. */
  say?: (line: string) => void
}

/** What clients with kept connections saw of a rolling deploy. */
export interface RollingResult {
  tally: Tally
  /** Requests that were answered with 5xx, cut off or not answered: there should be none. */
  failed: number
  /** Instances that ended with another exit code than 0. */
  badExits: number
  broken: number
}

/** Ends and starts two instances behind HAProxy in turns, under clients that write over kept connections. */
export async function runRolling (options: RollingOptions): Promise<RollingResult> {
  const { dataDir, server, say = () => {} } = options
  const ends: Array<() => Promise<void>> = []
  try {
    const { postgres, mongodb } = await startEmbedded({ dataDir, postgres: true, mongodb: true })
    ends.push(() => stopEmbedded({ dataDir }))
    if (postgres === undefined || mongodb === undefined || mongodb.how === 'missing') throw new Error('no databases')
    await migrate(postgres.url)
    const stores = { postgres: postgres.url, mongodb: mongodb.url }
    const env = { SHUTDOWN_DELAY_MS: String(DELAY_MS) }
    const services = await Services.start(path.join(dataDir, 'logs'), INSTANCES, stores, server, { env })
    ends.push(() => services.stop())
    const front = await startHaproxy(dataDir, services.urls)
    ends.push(front.stop)
    const running = { ...stores, urls: [front.url] }
    const tally = emptyTally()
    const writing = begin(running, 'fr', tally)
    const badExits = await replaceAll(services, postgres.url, options)
    const facts = await writing.end()
    await withStores(running, async (stores) => {
      await untilQuiet(stores, 'f')
      await audit(stores, 'fr', facts, tally, say)
    })
    return { tally, failed: tally.unserved, badExits, broken: brokenPromises(tally) }
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

/** @returns how many instances ended badly */
async function replaceAll (
  services: Services,
  url: string,
  { times, server, isMigrated = false }: RollingOptions
): Promise<number> {
  if (isMigrated && (server === undefined || times < LEAST_WITH_MIGRATIONS)) {
    throw new RangeError(
      `a migration in between takes a built service and ${LEAST_WITH_MIGRATIONS} replacements at least`
    )
  }
  const versions = isMigrated && server !== undefined ? makeVersions(server) : []
  let badExits = 0
  let current: Version | undefined
  for (let time = 0; time < times; time++) {
    // Each of four versions, this one first, gets a quarter of the replacements.
    const next = versions[Math.floor(time * VERSIONS / times) - 1]
    if (next !== undefined && next !== current) {
      // As a deploy does: the migrations come first, while all instances are of the version before.
      await migrate(url, { folder: next.migrations })
      services.use(next.server)
      current = next
    }
    if (await services.replace(time % INSTANCES) !== 0) badExits++
  }
  return badExits
}

import type { FastifyInstance } from 'fastify'
import type { MongoClient } from 'mongodb'
import type { Driver } from '../core/driver.ts'
import { ignore } from '../core/given-promises.ts'
import { withTimeout } from '../core/with-timeout.ts'
import { TransactionUsageError } from '../errors.ts'
import { MongoDriver } from '../mongo/driver.ts'
import type { TransactionPluginOptions } from '../options/plugin-options.ts'
import { PostgresDriver } from '../postgres/driver.ts'
import { Cleaner } from '../two-phase/cleaner.ts'
import { Coordinator } from '../two-phase/coordinator.ts'
import { TwoPhaseDriver } from '../two-phase/driver.ts'
import type { InDoubt } from '../two-phase/in-doubt.ts'
import { Recovery } from '../two-phase/recovery.ts'
import { isAway, TwoPhaseStores } from '../two-phase/stores.ts'

/** Milliseconds in which an app that closes removes records; what is left, others remove. */
const longestFlush = 2000

/** What an app sees of its transactions with `crossStore: 'two-phase'`. */
export interface TwoPhaseControl {
  /** Those that have not ended, as this process last saw them; it looks each second while a route or option asks for them. */
  readonly inDoubt: readonly InDoubt[]
  /** How many this process has ended in place of the one that began them, by decision. */
  readonly settled: Readonly<Record<'commit' | 'abort', number>>
  /**
   * Whether both stores can do it; asks once.
   * @throws TransactionUsageError with a sentence where they cannot, or the driver's error while one is away
   */
  check: () => Promise<void>
  /** Looks now, and ends what can be ended, younger ones too. */
  look: () => Promise<readonly InDoubt[]>
  /**
   * Ends by hand what recovery leaves alone.
   * @param how `commit` or `rollback` ends one that is prepared, `forget` removes the decision of a lost half
   * @throws TransactionUsageError where the other store says otherwise, or there is no such transaction
   */
  settle: (gid: string, how: 'commit' | 'rollback' | 'forget') => Promise<void>
}

/** Transactions in both stores, for one registration of the plugin. */
export interface TwoPhase {
  driver: Driver
  control: TwoPhaseControl
  /** Whether what a process has left is ended. */
  readonly isStarted: boolean
  /** Checks the stores and begins to recover. @throws TransactionUsageError where a store cannot do it */
  start: () => Promise<void>
  stop: () => Promise<void>
}

/** Undefined where the plugin was not given a PostgreSQL pool and MongoDB. */
export function createTwoPhase (
  app: FastifyInstance,
  { pool, mongo, twoPhase, retryAfter = 1 }: TransactionPluginOptions,
  drivers: { sql: Driver | undefined; mongo: Driver | undefined }
): TwoPhase | undefined {
  const { sql, mongo: other } = drivers
  if (
    pool === undefined || mongo === undefined || !(sql instanceof PostgresDriver) || !(other instanceof MongoDriver)
  ) {
    if (twoPhase === undefined) return undefined
    throw new TransactionUsageError('transaction plugin: twoPhase needs the options pool and mongo')
  }
  const stores = new TwoPhaseStores({ pool, ...twoPhase, mongo, retryAfter })
  const { coordinator, recovery, cleaner } = createParts(app, stores, { client: mongo.client, retryAfter })
  let isStarted = false
  return {
    get isStarted () {
      return isStarted
    },
    driver: new TwoPhaseDriver({ sql, mongo: other, coordinator }),
    control: createControl(stores, recovery),
    async start () {
      isStarted = true
      await stores.check().catch((error: unknown) => {
        if (!isAway(error)) throw error
        app.log.info({ err: error }, "a store is away; crossStore: 'two-phase' is checked when it is back")
      })
      recovery.start()
    },
    async stop () {
      await recovery.stop()
      await withTimeout(longestFlush, cleaner.flush(), 'a store is away').catch(ignore)
    }
  }
}

/** Who commits, who ends what was left, and who removes the records. */
function createParts (
  app: FastifyInstance,
  stores: TwoPhaseStores,
  { client, retryAfter }: { client: MongoClient; retryAfter: number }
) {
  const cleaner = new Cleaner(stores)
  const coordinator = new Coordinator({
    stores,
    retryAfter,
    onFinished: (gid, decision) => {
      cleaner.add(gid, decision)
    },
    onLeft: (gid) => {
      recovery.takeOver(gid)
    }
  })
  const recovery = new Recovery({ stores, client, cleaner, running: coordinator.running, log: app.log })
  return { coordinator, recovery, cleaner }
}

function createControl (stores: TwoPhaseStores, recovery: Recovery): TwoPhaseControl {
  return {
    get inDoubt () {
      return recovery.inDoubt
    },
    get settled () {
      return recovery.settled
    },
    check: async () => {
      await stores.check()
    },
    look: () => recovery.look(true),
    settle: (gid, how) => recovery.settle(gid, how)
  }
}

/** Begins to recover when the app is ready, where a route or the plugin's options ask for transactions in both stores. */
export function startWhenReady (
  app: FastifyInstance,
  twoPhase: TwoPhase | undefined,
  isWanted: () => boolean
): void {
  if (twoPhase === undefined) return
  app.addHook('onReady', async function startTwoPhase () {
    if (isWanted()) await twoPhase.start()
  })
  app.addHook('onClose', async function stopTwoPhase () {
    await twoPhase.stop()
  })
}

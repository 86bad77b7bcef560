import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import changeStream, { type CopyReport } from 'fastify-change-stream'
import outbox, { isTransient } from 'fastify-outbox'
import { withTimeout } from '../common/with-timeout.ts'
import { claimProgress } from './copy-progress.ts'
import { copies, type Copy, type CopyName } from './copies.ts'
import { Keeper, type KeeperOptions } from './fence/keeper.ts'
import { openStores, reachableMongo, type Stores } from './stores.ts'
import type { Fence } from './fence/fence.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The copies that each store holds of the other's data. */
    projections: Projections
  }
}

export interface Projections {
  /**
   * Compares a copy with its original and repairs it, beside everything else; first the stores with each other.
   * @param name a key of `copies`
   * @param options `isAnew`: begin with the first id, also where an earlier run was interrupted. Default false
   * @returns what was repaired: how many were `missing`, `different` or `extra`
   * @throws FenceError when the stores are not of one pair
   */
  resync: (name: CopyName, options?: { isAnew?: boolean }) => Promise<CopyReport>
  /**
   * Makes one pair of both stores, whatever they belonged to before. Ids go on behind all that either has seen.
   */
  adopt: () => Promise<void>
  /** Whether the two stores belong together, and how far they are. */
  fence: Fence
  /**
   * Told how many of a copy were compared, page by page; a command may say it in its own way. Default: a line in the
   * log each ten seconds.
   */
  onProgress: (copy: string, compared: number) => void
  /** The comparisons that this process is at: how many were compared, and since when, as `Date.now()`. */
  copying: Map<string, { compared: number; since: number }>
  /** Posts of deleted users that this process has removed. */
  removedPosts: number
}

const BOOT_WAIT_MS = 5000
const PROGRESS_MS = 10_000
// What a process holds that is frozen in the middle of a batch is free again before ten seconds are over.
const APPLY_MS = 6000

/**
 * Keeps the copies that each store holds equal to their originals: those in MongoDB by the outbox, those in SQL by a
 * change stream. Only these two write there. Not loaded where a test's double stands in for a database.
 */
export default fp(async function projections (app) {
  const stores = app.doubles.db || app.doubles.mongo ? undefined : openStores(app)
  if (stores === undefined) return
  const isOn = app.config.PROJECTIONS && !app.offline
  await app.register(outbox, {
    store: stores.outbox,
    relay: isOn,
    applyTimeout: APPLY_MS,
    measureInterval: app.offline ? 0 : 5000,
    isTransient: (error) => isTransient(error) || isDown(error)
  })
  await app.register(changeStream, {
    store: stores.streams,
    follow: isOn,
    applyTimeout: APPLY_MS,
    measureInterval: app.offline ? 0 : 5000
  })
  for (const { follow } of Object.values<Copy>(copies)) follow(app, stores)
  const { fence } = stores
  const resync = createResync(app, stores)
  decorate(app, fence, resync)
  if (app.offline) return
  app.addHook('onReady', async function compareStores () {
    // A store that is away is compared by the first connection, or when it is back.
    await withTimeout(fence.compare(), BOOT_WAIT_MS, () => {}).catch(() => {})
  })
  if (isOn) {
    keep(app, stores, async (round) => {
      const reports: Record<string, CopyReport> = {}
      // Users first: the comparison of posts removes those of users who are found to be deleted.
      for (const name of Object.keys(copies) as CopyName[]) reports[name] = await resync(name, `repair ${round}`)
      return reports
    })
  }
}, { name: 'projections', dependencies: ['config', 'sql', 'mongo', 'migrations'], fastify: '5.x' })

type Resync = (name: CopyName, purpose: string, isAnew?: boolean) => Promise<CopyReport>

function createResync (app: FastifyInstance, stores: Stores): Resync {
  return async (name, purpose, isAnew = false) => {
    const copy: Copy = copies[name]
    await claimProgress(app, name, { purpose, isAnew })
    return await copy.resync(app, stores)
  }
}

function decorate (app: FastifyInstance, fence: Fence, resync: Resync): void {
  app.decorate('projections', {
    fence,
    removedPosts: 0,
    copying: new Map(),
    onProgress: logProgress(app),
    adopt: () => fence.settle('adopt'),
    resync: async (name, { isAnew = false } = {}) => {
      await fence.settle('again')
      return await resync(name, 'resync', isAnew)
    }
  })
}

function logProgress (app: FastifyInstance): Projections['onProgress'] {
  let saidAt = performance.now()
  return (copy, compared) => {
    if (performance.now() - saidAt < PROGRESS_MS) return
    saidAt = performance.now()
    app.log.info({ projection: { copy, compared } }, 'a copy is compared with its original')
  }
}

/** Counts, and repairs the copies when a store went back, as long as the app runs. */
function keep (app: FastifyInstance, stores: Stores, mend: KeeperOptions['mend']): void {
  const { fence, engine, unchecked: transaction } = stores
  const keeper = new Keeper({ fence, engine, transaction, mend, mongo: () => reachableMongo(app), log: app.log })
  app.addHook('onReady', async function startKeeper () {
    keeper.start()
  })
  app.addHook('onClose', async function stopKeeper () {
    await keeper.stop()
  })
}

/** What the mongo plugin throws at once while MongoDB is known to be down. */
function isDown (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'DATABASE_DOWN'
}

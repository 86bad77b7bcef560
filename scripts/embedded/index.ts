import { mkdirSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { explainFileError } from './errors.ts'
import { withLock } from './lock.ts'
import { startMongod } from './mongod.ts'
import { startPostgres } from './postgres.ts'
import type { EmbeddedServer, MissingServer, Progress } from './types.ts'
import { ensureKeeper, join } from './users.ts'

export { EmbeddedError } from './errors.ts'
export type { EmbeddedServer, MissingServer } from './types.ts'

/** Which servers to start, and where. */
export interface EmbeddedOptions {
  /** Folder the data lives in; made if missing. Removing it while nothing runs is a full reset. */
  dataDir: string
  /** Start PostgreSQL? */
  postgres: boolean
  /** Start MongoDB? */
  mongodb: boolean
  /** Told a line whenever something takes long. Default: nobody is told. */
  onProgress?: Progress
  /** Settings for the PostgreSQL server as `name=value`; tests use `fsync=off`. Not applied to a server that already runs. Default: none. */
  postgresFlags?: string[]
  /** Further arguments for mongod. Not applied to a server that already runs. Default: none. */
  mongodbFlags?: string[]
}

/** The running servers. Each process that asked for them is counted; the last `stop()` stops them. */
export interface EmbeddedDatabases {
  postgres?: EmbeddedServer
  mongodb?: EmbeddedServer | MissingServer
  /** Leaves the servers; the last user waits until they are stopped. Calling it again does nothing. */
  stop: () => Promise<void>
}

/**
 * Starts the embedded databases of a data folder, or joins those that run there. They keep running when this process is killed
 * (a keeper stops them within a second) and never keep it from exiting.
 *
 *     const databases = await startEmbedded({ dataDir: '.data', postgres: true, mongodb: true, onProgress: console.log })
 *     databases.postgres?.url                       // postgres://tandem@127.0.0.1:40123/tandem
 *     if (databases.mongodb?.how === 'missing') …   // databases.mongodb.reason says what to do
 *     await databases.stop()
 *
 * Rejects with EmbeddedError, whose message is one line with the next step.
 */
export async function startEmbedded (options: EmbeddedOptions): Promise<EmbeddedDatabases> {
  const { onProgress = () => {}, postgresFlags = [], mongodbFlags = [] } = options
  const dataDir = makeDataDir(options.dataDir)
  let leave: (() => Promise<void>) | undefined
  let left: Promise<void> | undefined
  const stop = (): Promise<void> => left ??= leave?.() ?? Promise.resolve()
  const waiting = (pid: number): void => { onProgress(`Waiting for pid ${pid}, which is starting the databases in ${dataDir}`) }
  try {
    return await withLock(path.join(dataDir, 'lock'), waiting, async () => {
      leave = await join(dataDir)
      ensureKeeper(dataDir)
      const [postgres, mongodb] = await both(
        options.postgres ? startPostgres({ dataDir, flags: postgresFlags, onProgress }) : undefined,
        options.mongodb ? startMongod({ dataDir, flags: mongodbFlags, onProgress }) : undefined)
      return { ...(postgres && { postgres }), ...(mongodb && { mongodb }), stop }
    })
  } catch (error) {
    await stop()
    return explainFileError(error, dataDir)
  }
}

/** Waits for both even if one fails, so that nothing is started behind the back of the one who cleans up. */
async function both<A, B> (a: Promise<A> | undefined, b: Promise<B> | undefined): Promise<[A | undefined, B | undefined]> {
  await Promise.allSettled([a, b])
  return [await a, await b]
}

function makeDataDir (dataDir: string): string {
  const folder = path.resolve(dataDir)
  try {
    for (const name of ['users', 'servers']) mkdirSync(path.join(folder, name), { recursive: true })
    return realpathSync(folder)
  } catch (error) { return explainFileError(error, folder) }
}

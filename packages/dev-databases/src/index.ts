import { mkdirSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { explainFileError } from './errors.ts'
import { withLock } from './lock.ts'
import { checkStartOptions, checkStopOptions } from './options.ts'
import { startMongod } from './mongod/server.ts'
import { startPostgres } from './postgres/server.ts'
import type { EmbeddedServer, MissingServer, Progress } from './types.ts'
import { join, leave, leaveAll } from './holders.ts'

export { EmbeddedError, type EmbeddedErrorCode } from './errors.ts'
export { resolveMongod as findMongod } from './mongod/resolve.ts'
export { serverAccount } from './postgres/account.ts'
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
  /**
   * Settings for the PostgreSQL server as `name=value`; tests use `fsync=off`. Not applied to a server that already
   * runs. Default: none.
   */
  postgresFlags?: string[]
  /** Further arguments for mongod. Not applied to a server that already runs. Default: none. */
  mongodbFlags?: string[]
  /**
   * Pid of the process whose life keeps the servers running. Default: this one. A short-lived script that starts them
   * for another process (a test runner's "before" script: `process.ppid`) names that one, and ends with `stopEmbedded`.
   */
  owner?: number
}

/** The running servers. Each process that asked for them is counted; the last `stop()` stops them. */
export interface EmbeddedDatabases {
  postgres?: EmbeddedServer
  mongodb?: EmbeddedServer | MissingServer
  /** Leaves the servers; the last holder waits until they are stopped. Calling it again does nothing more. */
  stop: () => Promise<void>
}

/** What was started: a server that was asked for by `true` is there, or why it is not. */
export type Started<Options extends EmbeddedOptions> =
  & EmbeddedDatabases
  & (Options['postgres'] extends true ? { postgres: EmbeddedServer } : unknown)
  & (Options['mongodb'] extends true ? { mongodb: EmbeddedServer | MissingServer } : unknown)

/**
 * Starts the embedded databases of a data folder, or joins those that run there. They live in processes of their own:
 * they never keep this one from exiting, and a reaper stops them five seconds after the last process that held them was
 * killed.
 *
 *     const databases = await startEmbedded({ dataDir: '.data', postgres: true, mongodb: true, onProgress: console.log })
 *     databases.postgres.url                       // postgres://tandem_service:…@127.0.0.1:40123/tandem
 *     if (databases.mongodb.how === 'missing') …   // databases.mongodb.reason says what to do
 *     await databases.stop()
 *
 * Rejects with EmbeddedError, whose message is one line with the next step; nothing is left running by it then.
 */
export async function startEmbedded<const Options extends EmbeddedOptions> (
  options: Options
): Promise<Started<Options>> {
  checkStartOptions(options)
  const { onProgress = () => {}, postgresFlags = [], mongodbFlags = [], owner = process.pid } = options
  const dataDir = makeDataDir(options.dataDir)
  const waiting = (pid: number): void => {
    onProgress(`Waiting for pid ${pid}, which is starting the databases in ${dataDir}`)
  }
  let registration: string | undefined
  let left: Promise<void> | undefined
  const stop = (): Promise<void> =>
    left ??= registration === undefined ? Promise.resolve() : leave(dataDir, registration)
  try {
    return await withLock(path.join(dataDir, 'lock'), waiting, async () => {
      registration = await join(dataDir, owner)
      const [postgres, mongodb] = await both(
        options.postgres ? startPostgres({ dataDir, flags: postgresFlags, onProgress }) : undefined,
        options.mongodb ? startMongod({ dataDir, flags: mongodbFlags, onProgress }) : undefined
      )
      return { ...(postgres && { postgres }), ...(mongodb && { mongodb }), stop } as Started<Options>
    })
  } catch (error) {
    await stop().catch(() => {/* the first error is the one that matters */})
    return explainFileError(error, dataDir)
  }
}

/**
 * Ends every use of the folder's servers by `owner` (default: this process), also one begun in another process: the
 * counterpart of `startEmbedded({ owner })`. Waits until they are stopped unless somebody else uses them. Does nothing
 * where nothing runs.
 */
export async function stopEmbedded (options: { dataDir: string; owner?: number }): Promise<void> {
  checkStopOptions(options)
  const { dataDir, owner = process.pid } = options
  await leaveAll(path.resolve(dataDir), owner)
}

/** Waits for both even if one fails, so that nothing is started behind the back of the one who cleans up. */
async function both<A, B> (
  a: Promise<A> | undefined,
  b: Promise<B> | undefined
): Promise<[A | undefined, B | undefined]> {
  await Promise.allSettled([a, b])
  return [await a, await b]
}

function makeDataDir (dataDir: string): string {
  const folder = path.resolve(dataDir)
  try {
    for (const name of ['holders', 'servers']) mkdirSync(path.join(folder, name), { recursive: true })
    return realpathSync(folder)
  } catch (error) {
    return explainFileError(error, folder)
  }
}

import { closeSync, renameSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch, runToEnd } from '../system/launch.ts'
import type { Account, Launched } from '../system/launch.ts'
import { choosePort } from '../system/ports.ts'
import { dataFolder, makePrivateFolder } from './account.ts'
import type { PostgresBinaries } from './binaries.ts'
import { explainPostgres } from './errors.ts'
import { forgetDeadServer, readPidFile } from './pid-file.ts'
import { getMark, poll } from '../system/processes.ts'
import type { ProcessMark } from '../system/processes.ts'
import type { Progress } from '../types.ts'

/** Owner of the cluster, and name of the database made in it. */
export const NAME = 'tandem'

/** A cluster on disk, and what it is run with. `flags`: server settings as `name=value`. */
export interface Cluster {
  folder: string
  log: string
  account: Account | undefined
  binaries: PostgresBinaries
  flags: string[]
  onProgress: Progress
}

/** A server process that was started: who it is and the port it was told. */
export type Started = ProcessMark & { port: number }

const READY_MS = 60_000
const OLD_PROCESSES_MS = 15_000

/**
 * Made under another name and renamed when complete: a start that is killed half way leaves nothing that looks like a
 * cluster.
 */
export async function createCluster ({ folder, account, binaries, flags }: Cluster): Promise<void> {
  const half = `${folder}.new`
  rmSync(half, { recursive: true, force: true })
  makePrivateFolder(half, account)
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const options = ['-U', NAME, '-A', 'trust', '-E', 'UTF8', ...locale, '--no-instructions']
  if (flags.includes('fsync=off')) options.push('--no-sync')
  const { failure, said } = await inFolder(
    half,
    account,
    (name, descriptor) =>
      runToEnd(binaries.initdb, ['-D', name, ...options], { env: binaries.env, account, folder: descriptor })
  )
  if (failure !== undefined) throw explainPostgres(failure, said, folder)
  renameSync(half, folder)
}

/**
 * Starts the server and waits until it takes connections. `lastPort` is used again if it is free; `remember` is told of
 * the process as soon as it exists.
 */
export async function startCluster (
  cluster: Cluster,
  lastPort: number | undefined,
  remember: (started: Started) => void
): Promise<Started> {
  const until = Date.now() + OLD_PROCESSES_MS
  for (let wanted = lastPort;;) {
    forgetDeadServer(cluster.folder)
    const port = await choosePort('PostgreSQL', wanted, cluster.onProgress)
    const launched = await launchServer(cluster, port)
    const started = { ...getMark(launched.child.pid ?? 0), port }
    remember(started)
    if (await isReady(cluster.folder, launched)) return started
    const said = launched.said()
    // Somebody took the port between our look and the server's; or processes of a killed server are still leaving.
    const isPortTaken = /could not bind|Address already in use/i.test(said)
    const isOldLeaving = /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said)
    if (isPortTaken) wanted = undefined
    if ((!isPortTaken && !isOldLeaving) || Date.now() > until) {
      throw explainPostgres(launched.exited() ?? 'not ready in time', said, cluster.folder, cluster.log)
    }
    await sleep(200)
  }
}

function launchServer ({ folder, log, account, binaries, flags }: Cluster, port: number): Promise<Launched> {
  const ours = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    // As many as connections: each may be preparing one, and a server's own default is none.
    'max_prepared_transactions=200',
    'timezone=UTC',
    'log_timezone=UTC'
  ]
  const settings = [...ours, ...flags].flatMap((setting) => ['-c', setting])
  return inFolder(
    folder,
    account,
    async (name, descriptor) =>
      launch(binaries.postgres, ['-D', name, '-p', String(port), ...settings], log, {
        env: binaries.env,
        account,
        folder: descriptor
      })
  )
}

async function isReady (folder: string, { child, exited }: Launched): Promise<boolean> {
  return await poll(READY_MS, 10, () => {
    if (exited() !== undefined) return false
    const file = readPidFile(folder)
    return file?.pid === child.pid && file?.isReady === true ? true : undefined
  }) ?? false
}

type UseFolder<T> = (name: string, descriptor: number | undefined) => Promise<T>

async function inFolder<T> (folder: string, account: Account | undefined, use: UseFolder<T>): Promise<T> {
  const { name, descriptor } = dataFolder(folder, account)
  try {
    return await use(name, descriptor)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

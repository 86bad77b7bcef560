import { closeSync, renameSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch, runToEnd } from '../system/launch.ts'
import type { Account, Launched } from '../system/launch.ts'
import { choosePort } from '../system/ports.ts'
import { dataFolder, makePrivateFolder } from './account.ts'
import type { PostgresBinaries } from './binaries.ts'
import { ADMIN, adminPasswordSql, closeCluster } from './access.ts'
import { explainPostgres } from './errors.ts'
import { forgetDeadServer, readPidFile } from './pid-file.ts'
import { getMark, poll } from '../system/processes.ts'
import type { ProcessMark } from '../system/processes.ts'
import type { Passwords } from '../secrets.ts'
import type { Progress } from '../types.ts'

/** A cluster on disk, and what it is run with. `flags`: server settings as `name=value`. */
export interface Cluster {
  folder: string
  log: string
  account: Account | undefined
  binaries: PostgresBinaries
  flags: string[]
  passwords: Passwords
  onProgress: Progress
}

/** A server process that was started: who it is and the port it was told. */
export type Started = ProcessMark & { port: number }

/** Random passwords need no slowing down; each connection would pay for it. */
const ITERATIONS = 'scram_iterations=512'
const READY_MS = 60_000
const OLD_PROCESSES_MS = 15_000

/**
 * Made under another name and renamed when complete: a start that is killed half way leaves nothing that looks like a
 * cluster.
 */
export async function createCluster (cluster: Cluster): Promise<void> {
  const { folder, account, binaries, flags } = cluster
  const half = `${folder}.new`
  rmSync(half, { recursive: true, force: true })
  makePrivateFolder(half, account)
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const options = ['-U', ADMIN, '-A', 'reject', '-E', 'UTF8', ...locale, '--no-instructions']
  if (flags.includes('fsync=off')) options.push('--no-sync')
  const { failure, said } = await inFolder(
    half,
    account,
    (name, descriptor) =>
      runToEnd(binaries.initdb, ['-D', name, ...options], { env: binaries.env, account, folder: descriptor })
  )
  if (failure !== undefined) throw explainPostgres(failure, said, folder)
  await tellPassword({ ...cluster, folder: half })
  renameSync(half, folder)
}

/**
 * Tells a stopped cluster the password of its superuser, by a server for this one statement that no connection leads
 * to.
 */
export async function tellPassword (cluster: Cluster): Promise<void> {
  const { folder, account, binaries, flags, passwords } = cluster
  const settings = [...flags.filter((flag) => flag.startsWith('fsync=')), ITERATIONS].flatMap((flag) => ['-c', flag])
  const { failure, said } = await inFolder(
    folder,
    account,
    (name, descriptor) =>
      runToEnd(binaries.postgres, ['--single', '-D', name, ...settings, 'postgres'], {
        env: binaries.env,
        account,
        folder: descriptor,
        input: adminPasswordSql(passwords)
      })
  )
  // It ends well also where the statement has failed.
  const problem = failure ?? (/(ERROR|FATAL):/.test(said) ? 'the password was not taken' : undefined)
  if (problem !== undefined) throw explainPostgres(problem, said, folder)
  closeCluster(folder, account)
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
    const isOldLeaving = /pre-existing shared memory block|lock file "[^"]*" already exists/.test(said)
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
    // In the folder of the cluster itself, which is closed to others.
    `unix_socket_directories=${process.platform === 'win32' ? '' : '.'}`,
    'unix_socket_permissions=0700',
    'password_encryption=scram-sha-256',
    ITERATIONS,
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

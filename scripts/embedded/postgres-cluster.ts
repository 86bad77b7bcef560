import { closeSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { EmbeddedError } from './errors.ts'
import { choosePort } from './ports.ts'
import { dataFolder, makePrivateFolder } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { explainPostgres } from './postgres-errors.ts'
import { isAlive, launch, markOf, poll, runToEnd } from './processes.ts'
import type { Account, Launched, ProcessMark } from './processes.ts'

/** Owner of the cluster, and name of the database made in it. */
export const NAME = 'tandem'

/** A cluster on disk, and what it is run with. `flags`: server settings as `name=value`. */
export interface Cluster { folder: string, log: string, account: Account | undefined, binaries: PostgresBinaries, flags: string[] }

const READY_MS = 60_000
const OLD_PROCESSES_MS = 15_000

/** Made under another name and renamed when complete: a start that is killed half way leaves nothing that looks like a cluster. */
export async function createCluster ({ folder, account, binaries, flags }: Cluster): Promise<void> {
  const half = `${folder}.new`
  rmSync(half, { recursive: true, force: true })
  makePrivateFolder(half, account)
  const options = ['-U', NAME, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions']
  if (flags.includes('fsync=off')) options.push('--no-sync')
  const { failure, said } = await inFolder(half, account, (name, descriptor) =>
    runToEnd(binaries.initdb, ['-D', name, ...options], { env: binaries.env, account, folder: descriptor }))
  if (failure !== undefined) throw explainPostgres(failure, said, half)
  renameSync(half, folder)
}

/** Starts the server and waits until it takes connections. `lastPort` is used again if it is free. */
export async function startCluster (cluster: Cluster, lastPort: number | undefined): Promise<{ mark: ProcessMark, port: number }> {
  const until = Date.now() + OLD_PROCESSES_MS
  for (let wanted = lastPort; ;) {
    forgetDeadServer(cluster.folder)
    const port = await choosePort(wanted)
    const launched = await inFolder(cluster.folder, cluster.account, (name, descriptor) => Promise.resolve(
      launch(cluster.binaries.postgres, settings(name, port, cluster.flags), { log: cluster.log, env: cluster.binaries.env, account: cluster.account, folder: descriptor })))
    const mark = await untilReady(cluster.folder, launched)
    if (mark !== undefined) return { mark, port }
    const said = launched.said()
    // Somebody took the port between our look and the server's; or processes of a killed server are still leaving.
    const isPortTaken = /could not bind|Address already in use/i.test(said)
    const isOldLeaving = /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said)
    if (isPortTaken) wanted = undefined
    if ((!isPortTaken && !isOldLeaving) || Date.now() > until) throw explainPostgres(launched.exited() ?? 'not ready in time', said, cluster.folder, cluster.log)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function settings (folder: string, port: number, flags: string[]): string[] {
  const ours = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200', 'timezone=UTC', 'log_timezone=UTC']
  return ['-D', folder, '-p', String(port), ...[...ours, ...flags].flatMap((setting) => ['-c', setting])]
}

async function untilReady (folder: string, { child, exited }: Launched): Promise<ProcessMark | undefined> {
  const pid = child.pid
  if (pid === undefined) return undefined
  const mark = markOf(pid)
  const ready = await poll(READY_MS, 10, () => {
    if (exited() !== undefined) return false
    const file = readPidFile(folder)
    return file?.pid === pid && file.isReady ? true : undefined
  })
  return ready === true ? mark : undefined
}

/** What a running server writes about itself: pid, start time (seconds), port, and whether it takes connections. */
export function readPidFile (folder: string): { pid: number, startedAt: number, port: number, isReady: boolean } | undefined {
  try {
    const lines = readFileSync(path.join(folder, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), startedAt: Number(lines[2]), port: Number(lines[3]), isReady: lines[7]?.trim() === 'ready' }
  } catch { return undefined }
}

/**
 * PostgreSQL replaces the pid file of a dead server by itself, except where the dead one is a zombie (a container whose first process reaps nobody)
 * or its pid now belongs to another process of this user: only then is the file removed here.
 */
function forgetDeadServer (folder: string): void {
  const file = readPidFile(folder)
  if (file === undefined) return
  if (!isAlive({ pid: file.pid, started: '' }) || !isPostgres(file.pid)) { rmSync(path.join(folder, 'postmaster.pid'), { force: true }); return }
  throw new EmbeddedError('IN_USE', `${folder} is in use by PostgreSQL pid ${file.pid}, which does not answer as ours: end it and start again.`)
}

function isPostgres (pid: number): boolean {
  if (process.platform !== 'linux') return true
  try { return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres') } catch { return false }
}

async function inFolder<T> (folder: string, account: Account | undefined, use: (name: string, descriptor: number | undefined) => Promise<T>): Promise<T> {
  const { name, descriptor } = dataFolder(folder, account)
  try { return await use(name, descriptor) } finally { if (descriptor !== undefined) closeSync(descriptor) }
}

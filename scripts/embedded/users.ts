import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { EmbeddedError } from './errors.ts'
import { isAlive, markOf, poll, readJson } from './processes.ts'
import type { ProcessMark } from './processes.ts'

/** What is written down about a running server, so that another process (or this one after a crash) finds it again. */
export interface ServerRecord extends ProcessMark { port: number, version: string, source: string, folder: string }

const KEEPER = fileURLToPath(new URL('./keeper.mjs', import.meta.url))
let registrations = 0

/** Registers this process as a user of the servers in `dataDir`, and waits while they are being stopped. Returns the way to leave. */
export async function join (dataDir: string): Promise<() => Promise<void>> {
  const file = path.join(dataDir, 'users', `${process.pid}-${++registrations}.json`)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(markOf(process.pid)))
  const ready = await poll(60_000, 25, () => isStopping(dataDir) ? undefined : true)
  if (ready === undefined) throw new EmbeddedError('IN_USE', `The databases in ${dataDir} do not finish stopping: end pid ${readJson<ProcessMark>(path.join(dataDir, 'stopping'))?.pid ?? '?'} and try again.`)
  return () => leave(dataDir, file)
}

/** Sees to it that a keeper watches over `dataDir`. Call it with the lock held, before a server is started. */
export function ensureKeeper (dataDir: string, pgCtl = ''): void {
  const file = path.join(dataDir, 'keeper.json')
  const keeper = readJson<ProcessMark>(file)
  if (keeper !== undefined && isAlive(keeper)) return
  // Its own environment: a test runner's or loader's options are meant for the service, not for a process that outlives it.
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...env } = process.env
  const child = spawn(process.execPath, [KEEPER, dataDir, pgCtl], { detached: true, stdio: 'ignore', cwd: '/', env, windowsHide: true })
  child.unref()
  if (child.pid !== undefined) writeFileSync(file, JSON.stringify(markOf(child.pid)))
}

/** The last user that leaves waits until the keeper has stopped the servers; any other leaves at once. */
async function leave (dataDir: string, file: string): Promise<void> {
  rmSync(file, { force: true })
  if (!hasUsers(dataDir)) ensureKeeper(dataDir)
  await poll(60_000, 20, () => {
    const keeper = readJson<ProcessMark>(path.join(dataDir, 'keeper.json'))
    const gone = (keeper === undefined || !isAlive(keeper)) && !serverRecords(dataDir).some(isAlive)
    return gone || (hasUsers(dataDir) && !isStopping(dataDir)) ? true : undefined
  })
}

function isStopping (dataDir: string): boolean {
  const keeper = readJson<ProcessMark>(path.join(dataDir, 'stopping'))
  return keeper !== undefined && isAlive(keeper)
}

function hasUsers (dataDir: string): boolean {
  return list<ProcessMark>(path.join(dataDir, 'users')).some(isAlive)
}

function serverRecords (dataDir: string): ServerRecord[] {
  return list<ServerRecord>(path.join(dataDir, 'servers'))
}

function list<T> (folder: string): T[] {
  try {
    return readdirSync(folder).map((name) => readJson<T>(path.join(folder, name))).filter((record) => record !== undefined)
  } catch { return [] }
}

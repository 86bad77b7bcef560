import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { EmbeddedError } from './errors.ts'
import { readJson, writeJson } from './system/json-files.ts'
import { outsideEnvironment } from './system/launch.ts'
import { isAlive, getMark, poll } from './system/processes.ts'
import type { ProcessMark } from './system/processes.ts'

/**
 * What is written down about a server, so that another process (or this one after a crash) finds it again. Pid 0: about
 * to be started.
 */
export interface ServerRecord extends ProcessMark {
  port: number
  version: string
  source: string
  folder: string
  /** How it is stopped: politely first, each further step ten seconds later. */
  signals: NodeJS.Signals[]
  /** Program that stops it where signals are unknown (Windows). */
  pgCtl?: string
}

interface Registration extends ProcessMark {
  file: string
}

const REAPER = fileURLToPath(new URL('./reaper.mjs', import.meta.url))
const STOP_MS = 60_000

/**
 * Registers a process as a holder of the servers in `dataDir`, and waits while they are being stopped. Call it with the
 * lock held. Returns the registration's file.
 */
export async function join (dataDir: string, pid: number): Promise<string> {
  if (!isAlive({ pid, started: '' })) {
    throw new EmbeddedError(
      'NOT_STARTED',
      `No process has the pid ${pid}: name one that runs as the owner of the databases in ${dataDir}.`
    )
  }
  const file = path.join(dataDir, 'holders', `${randomUUID()}.json`)
  writeJson(file, getMark(pid))
  const stopping = path.join(dataDir, 'stopping')
  const ready = await poll(STOP_MS, 25, () => isRunning(stopping) ? undefined : true)
  if (ready === undefined) {
    const pid = readJson<ProcessMark>(stopping)?.pid ?? 'of the reaper'
    throw new EmbeddedError(
      'IN_USE',
      `The databases in ${dataDir} do not finish stopping: end pid ${pid} and try again.`
    )
  }
  for (const holder of registrations(dataDir)) if (!isAlive(holder)) rmSync(holder.file, { force: true })
  ensureReaper(dataDir)
  return file
}

/**
 * Takes one holder off the list. The last one waits until the reaper has stopped the servers; any other returns at
 * once.
 */
export async function leave (dataDir: string, file: string): Promise<void> {
  rmSync(file, { force: true })
  await untilStopped(dataDir)
}

/** Takes every registration of that process off the list, then as `leave`. */
export async function leaveAll (dataDir: string, pid: number): Promise<void> {
  for (const holder of registrations(dataDir)) if (holder.pid === pid) rmSync(holder.file, { force: true })
  await untilStopped(dataDir)
}

async function untilStopped (dataDir: string): Promise<void> {
  const done = await poll(STOP_MS, 20, () => {
    const isUsed = registrations(dataDir).some(isAlive)
    if (isUsed) return isRunning(path.join(dataDir, 'stopping')) ? undefined : true
    const isOver = !isRunning(path.join(dataDir, 'reaper.json')) && servers(dataDir).length === 0
    if (isOver) return true
    // Again and again, because the one there was may just have been killed.
    ensureReaper(dataDir)
    return undefined
  })
  if (done === true) return
  const left = servers(dataDir).map(({ pid }) => pid).join(' and ')
  throw new EmbeddedError(
    'IN_USE',
    `The databases in ${dataDir} did not stop within ${STOP_MS / 1000} s: end pid ${left}.`
  )
}

/** A reaper that is told to watch over an unused folder stops what runs there at once. */
function ensureReaper (dataDir: string): void {
  const file = path.join(dataDir, 'reaper.json')
  if (isRunning(file) || !existsSync(dataDir)) return
  if (!existsSync(REAPER)) {
    throw new EmbeddedError(
      'NOT_STARTED',
      `${REAPER} is missing: copy it there when building, or use servers that you run.`
    )
  }
  const cwd = path.parse(dataDir).root
  const child = spawn(process.execPath, [REAPER, dataDir], {
    detached: true,
    stdio: 'ignore',
    cwd,
    env: outsideEnvironment(),
    windowsHide: true
  })
  child.unref()
  if (child.pid !== undefined) writeJson(file, getMark(child.pid))
}

function isRunning (file: string): boolean {
  const mark = readJson<ProcessMark>(file)
  return mark !== undefined && isAlive(mark)
}

function registrations (dataDir: string): Registration[] {
  return read<ProcessMark>(path.join(dataDir, 'holders')).map(([file, mark]) => ({ ...mark, file }))
}

function servers (dataDir: string): ServerRecord[] {
  return read<ServerRecord>(path.join(dataDir, 'servers')).map(([, record]) => record).filter(isAlive)
}

function read<T> (folder: string): Array<[string, T]> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
  return names.flatMap((name) => {
    const file = path.join(folder, name)
    const content = readJson<T>(file)
    return content === undefined ? [] : [[file, content] as [string, T]]
  })
}

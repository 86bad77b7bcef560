import { rmSync, statSync, writeFileSync } from 'node:fs'
import { EmbeddedError, systemCode } from './errors.ts'
import { readJson } from './system/json-files.ts'
import { isAlive, getMark, poll } from './system/processes.ts'
import type { ProcessMark } from './system/processes.ts'

const GIVE_UP_MS = 10 * 60_000
const HALF_WRITTEN_MS = 5_000

/**
 * Runs `work` while holding a lock file. A lock whose holder died is taken over; a live holder is waited for (at most
 * ten minutes, a download may take that long). `onWait` is told once, with the holder's pid, when the wait is longer
 * than a second.
 */
export async function withLock<T> (file: string, onWait: (pid: number) => void, work: () => Promise<T>): Promise<T> {
  const begin = Date.now()
  let told = false
  const got = await poll(GIVE_UP_MS, 50, () => {
    if (create(file)) return true
    const holder = readJson<ProcessMark>(file)
    if (isStale(file, holder)) takeOver(file)
    else if (!told && holder !== undefined && Date.now() - begin > 1000) {
      told = true
      onWait(holder.pid)
    }
    return undefined
  })
  if (got === undefined) {
    throw new EmbeddedError(
      'IN_USE',
      `${file} is held by pid ${readJson<ProcessMark>(file)?.pid ?? '?'}: end it and try again.`
    )
  }
  try {
    return await work()
  } finally {
    rmSync(file, { force: true })
  }
}

function create (file: string): boolean {
  try {
    writeFileSync(file, JSON.stringify(getMark(process.pid)), { flag: 'wx' })
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

function isStale (file: string, holder: ProcessMark | undefined): boolean {
  if (holder !== undefined) return !isAlive(holder)
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs > HALF_WRITTEN_MS
}

/**
 * Two processes may find the same stale lock: the second must not remove the lock the first has just made. Hence a
 * guard and a second look.
 */
function takeOver (file: string): void {
  const guard = `${file}.takeover`
  if (!create(guard)) {
    if (isStale(guard, readJson<ProcessMark>(guard))) rmSync(guard, { force: true })
    return
  }
  try {
    if (isStale(file, readJson<ProcessMark>(file))) rmSync(file, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
}

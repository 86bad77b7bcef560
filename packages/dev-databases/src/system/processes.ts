import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process that can be recognised later: a pid alone is reused, pid and start time together are not. */
export interface ProcessMark {
  pid: number
  /** Start time in the system's own words; empty where the system does not tell. */
  started: string
}

/**
 * Start time of a process, undefined when it is gone. A zombie is gone (it holds no file and answers nobody), but not
 * one of whose threads some still run: they may still hold its port.
 */
function startTime (pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const isGone = fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1)
      return isGone ? undefined : fields[19] ?? ''
    } catch {
      return undefined
    }
  }
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return undefined
  }
  if (process.platform === 'win32') return ''
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** Marks a running process so that it can be recognised after a restart of this one. */
export function getMark (pid: number): ProcessMark {
  return { pid, started: startTime(pid) ?? '' }
}

/** Is that very process still running? Not merely one that got its pid. */
export function isAlive (mark: ProcessMark): boolean {
  const started = startTime(mark.pid)
  return started !== undefined && (mark.started === '' || started === mark.started)
}

/** Asks until the answer is not undefined. Gives undefined when `timeoutMs` have passed. */
export async function poll<T> (
  timeoutMs: number,
  everyMs: number,
  ask: () => T | undefined | Promise<T | undefined>
): Promise<T | undefined> {
  const until = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined || Date.now() > until) return answer
    await sleep(everyMs)
  }
}

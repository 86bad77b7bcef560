import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process that can be recognised later: a pid alone is reused, pid and start time together are not. */
export interface ProcessMark {
  pid: number
  /** Start time in the system's own words; empty where the system does not tell. */
  started: string
}

/** User and group a server runs under when this process is root. */
export interface Account { uid: number, gid: number }

/** Start time of a process, undefined when it is gone. A zombie is gone: it holds no file and answers nobody. */
function startTime (pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19] ?? ''
    } catch { return undefined }
  }
  try { process.kill(pid, 0) } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return undefined
  }
  if (process.platform === 'win32') return ''
  try { return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() } catch { return undefined }
}

/** Marks a running process so that it can be recognised after a restart of this one. */
export function markOf (pid: number): ProcessMark {
  return { pid, started: startTime(pid) ?? '' }
}

/** Is that very process still running? Not merely one that got its pid. */
export function isAlive (mark: ProcessMark): boolean {
  const started = startTime(mark.pid)
  return started !== undefined && (mark.started === '' || started === mark.started)
}

/** Reads a JSON file written by us; undefined when it is absent or was cut off. */
export function readJson<T> (file: string): T | undefined {
  try { return JSON.parse(readFileSync(file, 'utf8')) as T } catch { return undefined }
}

/** Writes a JSON file in one step: a reader, or this process after it was killed, finds the old or the new content, never half of it. */
export function writeJson (file: string, content: unknown): void {
  const part = `${file}.${process.pid}.part`
  writeFileSync(part, JSON.stringify(content))
  renameSync(part, file)
}

/** Asks until the answer is not undefined. Gives undefined when `timeoutMs` have passed. */
export async function poll<T> (timeoutMs: number, everyMs: number, ask: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> {
  const until = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined || Date.now() > until) return answer
    await sleep(everyMs)
  }
}

const LOG_LIMIT = 5 * 1024 * 1024

/** Opens a server's log for appending; keeps one older file of at most 5 MB. Returns descriptor and the place new lines begin. */
function openLog (file: string): { fd: number, from: number } {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > LOG_LIMIT) renameSync(file, `${file}.1`)
  return { fd: openSync(file, 'a'), from: size > LOG_LIMIT ? 0 : size }
}

/**
 * Environment for what outlives this process: no setting of a shell, loader or test runner, and none of the service's secrets, which a local user could
 * otherwise ask the server for. Messages come in English, because they are read here.
 */
export function outsideEnvironment (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'SystemDrive', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH']
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.includes(name))), LC_ALL: 'C', ...more }
}

/** A server process and the way to read what it has said since it was started. */
export interface Launched { child: ChildProcess, exited: () => string | undefined, said: () => string }

/** Where and how a server is started. `folder`: descriptor handed on as number 3, see postgres-account.ts. */
export interface LaunchOptions { log: string, env?: NodeJS.ProcessEnv, account?: Account | undefined, folder?: number | undefined }

/** Starts a server in a session of its own: Ctrl-C in a terminal reaches only the service, and the service never waits for it. */
export function launch (binary: string, args: string[], { log, env = outsideEnvironment(), account, folder }: LaunchOptions): Launched {
  const { fd, from } = openLog(log)
  const stdio = folder === undefined ? ['ignore' as const, fd, fd] : ['ignore' as const, fd, fd, folder]
  try {
    const child = spawn(binary, args, { ...account, env, stdio, detached: true, windowsHide: true, cwd: process.platform === 'win32' ? undefined : '/' })
    let end: string | undefined
    child.once('exit', (code, signal) => { end = signal ?? `code ${code}` })
    child.once('error', (error) => { end = error.message })
    child.unref()
    return { child, exited: () => end, said: () => readFileSync(log).subarray(from).toString() }
  } finally {
    closeSync(fd)
  }
}

/** Runs a program to its end. Gives how it ended (undefined = well) and everything it printed. */
export function runToEnd (binary: string, args: string[], { env = outsideEnvironment(), account, folder }: Omit<LaunchOptions, 'log'>): Promise<{ failure: string | undefined, said: string }> {
  return new Promise((resolve) => {
    const stdio = folder === undefined ? ['ignore' as const, 'pipe' as const, 'pipe' as const] : ['ignore' as const, 'pipe' as const, 'pipe' as const, folder]
    const child = spawn(binary, args, { ...account, env, stdio, windowsHide: true, cwd: process.platform === 'win32' ? undefined : '/' })
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => { said += chunk.toString() })
    child.stderr?.on('data', (chunk: Buffer) => { said += chunk.toString() })
    child.once('error', (error) => { resolve({ failure: error.message, said }) })
    child.once('close', (code, signal) => { resolve({ failure: code === 0 ? undefined : signal ?? `code ${code}`, said }) })
  })
}

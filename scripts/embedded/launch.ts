import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'

/** User and group a server runs under when this process is root. */
export interface Account { uid: number, gid: number }

/** A server or helper must not keep the folder the service was started in. */
const ROOT = path.parse(process.execPath).root
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
    const child = spawn(binary, args, { ...account, env, stdio, detached: true, windowsHide: true, cwd: ROOT })
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
    const child = spawn(binary, args, { ...account, env, stdio, windowsHide: true, cwd: ROOT })
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => { said += chunk.toString() })
    child.stderr?.on('data', (chunk: Buffer) => { said += chunk.toString() })
    child.once('error', (error) => { resolve({ failure: error.message, said }) })
    child.once('close', (code, signal) => { resolve({ failure: code === 0 ? undefined : signal ?? `code ${code}`, said }) })
  })
}

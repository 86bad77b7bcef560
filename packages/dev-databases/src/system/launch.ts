import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { closeSync, fchmodSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'

/** User and group a server runs under when this process is root. */
export interface Account {
  uid: number
  gid: number
}

/** A server or helper must not keep the folder the service was started in. */
const ROOT = path.parse(process.execPath).root
const LOG_LIMIT = 5 * 1024 * 1024

/**
 * Opens a server's log for appending; keeps one older file of at most 5 MB. Returns descriptor and the place new lines
 * begin.
 */
function openLog (file: string): { fd: number; from: number } {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > LOG_LIMIT) renameSync(file, `${file}.1`)
  const fd = openSync(file, 'a', 0o600)
  fchmodSync(fd, 0o600)
  return { fd, from: size > LOG_LIMIT ? 0 : size }
}

/**
 * Environment for what outlives this process: no setting of a shell, loader or test runner, and none of the service's
 * secrets, which a local user could otherwise ask the server for. Messages come in English, because they are read here.
 */
export function outsideEnvironment (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = [
    'PATH',
    'HOME',
    'TMPDIR',
    'TEMP',
    'TMP',
    'SystemRoot',
    'SystemDrive',
    'LD_LIBRARY_PATH',
    'DYLD_LIBRARY_PATH'
  ]
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.includes(name))),
    LC_ALL: 'C',
    ...more
  }
}

/** How a program is run. Left out: `outsideEnvironment()`, and this process's own user. */
export interface RunOptions {
  env?: NodeJS.ProcessEnv
  account?: Account | undefined
  /** Descriptor of a folder, handed on as number 3; see postgres-account.ts. */
  folder?: number | undefined
  /** What a program that is run to its end reads from its standard input. Default: nothing. */
  input?: string | undefined
}

/** A server process and the way to read what it has said since it was started. */
export interface Launched {
  child: ChildProcess
  /** How it ended, in words; undefined while it runs. */
  exited: () => string | undefined
  said: () => string
}

/**
 * Starts a server in a session of its own: Ctrl-C in a terminal reaches only the service, and the service never waits
 * for it. `log` is a file.
 */
export function launch (program: string, args: string[], log: string, options: RunOptions = {}): Launched {
  const { fd, from } = openLog(log)
  try {
    const child = run(program, args, fd, options, true)
    let end: string | undefined
    child.once('exit', (code, signal) => {
      end = signal ?? `code ${code}`
    })
    child.once('error', (error) => {
      end = error.message
    })
    child.unref()
    return { child, exited: () => end, said: () => readFileSync(log).subarray(from).toString() }
  } finally {
    closeSync(fd)
  }
}

/** Runs a program to its end. Gives how it ended (undefined = well) and everything it printed. */
export function runToEnd (
  program: string,
  args: string[],
  options: RunOptions = {}
): Promise<{ failure: string | undefined; said: string }> {
  return new Promise((resolve) => {
    const child = run(program, args, 'pipe', options, false)
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.once('error', (error) => {
      resolve({ failure: error.message, said })
    })
    child.stdin?.on('error', () => {/* it has ended before it read all; its exit code says why */})
    child.stdin?.end(options.input)
    child.once('close', (code, signal) => {
      resolve({ failure: code === 0 ? undefined : signal ?? `code ${code}`, said })
    })
  })
}

function run (
  program: string,
  args: string[],
  output: number | 'pipe',
  options: RunOptions,
  detached: boolean
): ChildProcess {
  const { env = outsideEnvironment(), account, folder, input } = options
  const stdio: StdioOptions = [
    input === undefined ? 'ignore' : 'pipe',
    output,
    output,
    ...(folder === undefined ? [] : [folder])
  ]
  return spawn(program, args, { ...account, env, stdio, detached, windowsHide: true, cwd: ROOT })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { comesTrue } from '../until.ts'

const FOLDERS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin']

/** Where a program is installed; undefined where it is not. */
export function findProgram (name: string): string | undefined {
  return FOLDERS.map((folder) => path.join(folder, name)).find((place) => existsSync(place))
}

/** A program that runs. */
export interface Program {
  kill: (signal: NodeJS.Signals) => void
  /** SIGKILL; resolves when it has ended. */
  stop: () => Promise<void>
}

/**
 * Starts a program in silence; resolves when it is up.
 * @param options `uid` and `gid` it runs as, and the milliseconds until it has to be up
 * @throws Error with the complaint, where it does not come up
 */
export async function runProgram (
  binary: string,
  args: string[],
  isUp: () => Promise<boolean>,
  complaint: string,
  { ms, ...owner }: { uid?: number; gid?: number; ms?: number } = {}
): Promise<Program> {
  const child = spawn(binary, args, { stdio: 'ignore', ...owner })
  const stop = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  if (await comesTrue(isUp, ms)) return { kill: (signal) => child.kill(signal), stop }
  await stop()
  throw new Error(complaint)
}

/** As `runProgram`, where nothing but the end is wanted. @returns what ends it */
export async function startProgram (...args: Parameters<typeof runProgram>): Promise<() => Promise<void>> {
  return (await runProgram(...args)).stop
}

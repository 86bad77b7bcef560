import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { comesTrue } from '../../test/until.ts'

const FOLDERS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin']

/** Where a program is installed; undefined where it is not. */
export function findProgram (name: string): string | undefined {
  return FOLDERS.map((folder) => path.join(folder, name)).find((place) => existsSync(place))
}

/**
 * Starts a program in silence; resolves when it is up, to what ends it.
 * @throws Error with the complaint, where it does not come up
 */
export async function startProgram (
  binary: string,
  args: string[],
  isUp: () => Promise<boolean>,
  complaint: string
): Promise<() => Promise<void>> {
  const child = spawn(binary, args, { stdio: 'ignore' })
  const stop = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  if (await comesTrue(isUp)) return stop
  await stop()
  throw new Error(complaint)
}

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { TYPESCRIPT_ARGS } from '../../scripts/typescript.ts'

/**
 * Starts the process that keeps databases and build for test files; resolves when they are there.
 * @param parent pid of the process that starts the test files; the keeper ends with it
 * @returns undefined where it could not, and has said why
 */
export async function startKeeper (parent: number): Promise<ChildProcess | undefined> {
  const keeper = spawn(process.execPath, [
    ...TYPESCRIPT_ARGS,
    path.join(import.meta.dirname, 'keep.ts'),
    String(parent)
  ], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // tap's own loader is of no use to it.
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  const [word] = await Promise.race([once(keeper, 'message'), once(keeper, 'exit')]) as [unknown]
  if (word !== 'ready') return undefined
  keeper.disconnect()
  keeper.unref()
  return keeper
}

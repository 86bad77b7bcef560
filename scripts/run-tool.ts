import { spawnSync } from 'node:child_process'
import path from 'node:path'

/**
 * Runs a program of node_modules/.bin in silence.
 * @param root the checkout
 * @throws Error with all that it said, when it fails
 */
export function runTool (root: string, program: string, args: string[]): void {
  const { status, stdout, stderr } = spawnSync(path.join(root, 'node_modules', '.bin', program), args, {
    cwd: root,
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${(stdout + stderr).trim()}`)
}

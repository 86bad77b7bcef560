import { execFile } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

/**
 * Installs the packages of a folder that has a lock of its own, unless they are there as the lock says. Nothing of the
 * service sees them.
 * @param what said on stderr before it begins
 */
export async function installLocked (folder: string, what: string): Promise<void> {
  const installed = path.join(folder, 'node_modules', '.package-lock.json')
  const lock = path.join(folder, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  console.error(`Installing ${what} …`)
  const args = ['ci', '--workspaces=false', '--ignore-scripts', '--no-audit', '--no-fund']
  await promisify(execFile)('npm', args, { cwd: folder })
}

import { chmodSync, chownSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Account } from '../system/launch.ts'

/**
 * PostgreSQL refuses to run as root. When this process is root the server runs as the owner of the data folder if that
 * is an ordinary user (it stays usable for him), otherwise as `nobody`. Undefined for an ordinary user: no switch.
 */
export function serverAccount (folder: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const owner = statSync(folder, { throwIfNoEntry: false })
  return owner !== undefined && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : nobody()
}

function nobody (): Account {
  try {
    const fields = readFileSync('/etc/passwd', 'utf8').split('\n').find((line) => line.startsWith('nobody:'))?.split(
      ':'
    )
    return { uid: Number(fields?.[2] ?? 65534), gid: Number(fields?.[3] ?? 65534) }
  } catch {
    return { uid: 65534, gid: 65534 }
  }
}

/** Makes a folder that belongs to the server's account and nobody else may enter. */
export function makePrivateFolder (folder: string, account: Account | undefined): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  if (account !== undefined) chownSync(folder, account.uid, account.gid)
}

/**
 * May any account of this machine walk down to this folder? Parts that do not exist yet do not count: whoever makes
 * them opens them.
 */
export function isReachable (folder: string): boolean {
  const parent = path.dirname(folder)
  if (parent === folder) return true
  const stat = statSync(parent, { throwIfNoEntry: false })
  return (stat === undefined || (stat.mode & 0o001) !== 0) && isReachable(parent)
}

/**
 * How the server names its data folder. Below a closed home (root's own, mostly) another account cannot walk to it, so
 * the folder is opened here and handed on as descriptor 3: the kernel then asks for rights on the folder itself only.
 */
export function dataFolder (folder: string, account: Account | undefined): { name: string; descriptor?: number } {
  if (account === undefined || process.platform !== 'linux' || isReachable(folder)) return { name: folder }
  return { name: '/proc/self/fd/3', descriptor: openSync(folder, 'r') }
}

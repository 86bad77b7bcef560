import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Copies a PostgreSQL of dev-databases into the data folder of a standby: there is no pg_basebackup, so it is the folder
 * of a server that was stopped in order, with owner and passwords.
 */
export function copyCluster (from: string, to: string): void {
  for (const name of readdirSync(from).filter((name) => /^(pg\d+|secrets)$/.test(name))) {
    const copied = spawnSync('cp', ['-Rp', path.join(from, name), to], { encoding: 'utf8' })
    if (copied.status !== 0) throw new Error(`cp: ${copied.error?.message ?? copied.stderr}`)
    if (name !== 'secrets') writeFileSync(path.join(to, name, 'standby.signal'), '')
  }
}

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from './ports.ts'
import { findProgram, startProgram } from './program.ts'

/** Where PgBouncer is installed; undefined where it is not. */
export function findPgBouncer (): string | undefined {
  return findProgram('pgbouncer')
}

/** What it calls its version, such as `PgBouncer 1.18.0`. */
export async function readVersion (binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'])
  return stdout.split('\n')[0] ?? ''
}

/** A PgBouncer that runs. */
export interface PgBouncer {
  /** Of the database, through it. */
  url: string
  stop: () => Promise<void>
}

/**
 * Starts a PgBouncer in transaction mode in front of a database.
 * @param folder where its files are written
 */
export async function startPgBouncer (folder: string, databaseUrl: string): Promise<PgBouncer> {
  const binary = findPgBouncer()
  const [port] = await freePorts(1)
  if (binary === undefined || port === undefined) throw new Error('PgBouncer is not installed')
  const url = new URL(databaseUrl)
  const file = path.join(folder, 'pgbouncer.ini')
  const accounts = path.join(folder, 'accounts.txt')
  writeFileSync(accounts, `"${url.username}" "${decodeURIComponent(url.password)}"\n`)
  writeFileSync(
    file,
    `[databases]\n* = host=${url.hostname} port=${url.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}
auth_type = plain\nauth_file = ${accounts}\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 10
unix_socket_dir =\nserver_login_retry = 1\n`
  )
  chmodSync(folder, 0o755)
  // It does not run as root.
  const user = process.getuid?.() === 0 ? ['--user', 'nobody'] : []
  const args = ['--quiet', ...user, file]
  const stop = await startProgram(binary, args, () => takesConnections(port), 'PgBouncer does not start')
  url.host = `127.0.0.1:${port}`
  return { url: url.href, stop }
}

async function takesConnections (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const answer = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)])
    .catch(() => false)
  socket.destroy()
  return answer
}

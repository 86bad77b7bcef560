import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { freePorts } from '../../scripts/ledger/ports.ts'
import { newFolder } from '../folder.ts'
import { comesTrue } from '../until.ts'

const PLACES = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer']

/** Where PgBouncer is installed; undefined where it is not. */
export function findPgBouncer (): string | undefined {
  return PLACES.find((place) => existsSync(place))
}

/** What it calls its version, such as `PgBouncer 1.18.0`. */
export async function readVersion (binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'])
  return stdout.split('\n')[0] ?? ''
}

/**
 * A PgBouncer in transaction mode in front of a database; ends with the test.
 * @param settings further lines of its section, such as `max_prepared_statements = 100`
 * @returns the URL of the database through it
 */
export async function startPgBouncer (t: Test, databaseUrl: string, settings = ''): Promise<string> {
  const binary = findPgBouncer()
  const [port] = await freePorts(1)
  if (binary === undefined || port === undefined) throw new Error('PgBouncer is not installed')
  const folder = newFolder(t)
  const url = new URL(databaseUrl)
  const file = path.join(folder, 'pgbouncer.ini')
  const users = path.join(folder, 'users.txt')
  writeFileSync(users, `"${url.username}" "${decodeURIComponent(url.password)}"\n`)
  writeFileSync(
    file,
    `[databases]\n* = host=${url.hostname} port=${url.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}
auth_type = plain\nauth_file = ${users}\npool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 10
unix_socket_dir =\nserver_login_retry = 1\n${settings}\n`
  )
  chmodSync(folder, 0o755)
  // It does not run as root.
  const isRoot = process.getuid?.() === 0
  const child = spawn(binary, ['--quiet', ...(isRoot ? ['--user', 'nobody'] : []), file], { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  if (!await comesTrue(() => takesConnections(port))) throw new Error('PgBouncer does not start')
  url.host = `127.0.0.1:${port}`
  return url.href
}

async function takesConnections (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const answer = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)])
    .catch(() => false)
  socket.destroy()
  return answer
}

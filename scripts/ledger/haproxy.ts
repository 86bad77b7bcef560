import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { freePorts } from '../../test/servers/ports.ts'
import { findProgram, startProgram } from '../../test/servers/program.ts'

/** Where HAProxy is installed; undefined where it is not. */
export function findHaproxy (): string | undefined {
  return findProgram('haproxy')
}

/**
 * Starts HAProxy before some instances. It asks each of them for its readiness five times a second, and takes it away
 * after two refusals.
 * @param folder where its file is written
 */
export async function startHaproxy (
  folder: string,
  urls: string[]
): Promise<{ url: string; stop: () => Promise<void> }> {
  const binary = findHaproxy()
  const [port] = await freePorts(1)
  if (binary === undefined) throw new Error('HAProxy is not installed')
  const file = path.join(folder, 'haproxy.cfg')
  const servers = urls.map((url, at) => `  server s${at} ${new URL(url).host} check inter 200ms fall 2 rise 1`)
  writeFileSync(
    file,
    `defaults
  mode http
  timeout connect 5s
  timeout check 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
frontend in
  bind 127.0.0.1:${port}
  default_backend instances
backend instances
  option httpchk GET /readyz
  http-check expect status 200
${servers.join('\n')}
`
  )
  const url = `http://127.0.0.1:${port}`
  const answers = async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200
  const complaint = 'HAProxy does not lead to an instance that is ready'
  return { url, stop: await startProgram(binary, ['-db', '-f', file], answers, complaint) }
}

/**
 * Starts HAProxy before PostgreSQL servers under Patroni: it leads to the one whose Patroni says `primary`, and cuts
 * the sessions to one that is it no more.
 * @param folder where its file is written
 * @param isUp whether a port leads to the primary
 */
export async function startPrimaryFront (
  folder: string,
  servers: Array<{ port: number; api: string }>,
  isUp: (port: number) => Promise<boolean>
): Promise<{ port: number; stop: () => Promise<void> }> {
  const binary = findHaproxy()
  const [port = 0] = await freePorts(1)
  if (binary === undefined) throw new Error('HAProxy is not installed')
  const file = path.join(folder, 'primary.cfg')
  const lines = servers.map(({ port, api }, at) =>
    `  server p${at} 127.0.0.1:${port} check port ${
      new URL(api).port
    } inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions`
  )
  writeFileSync(
    file,
    `defaults
  mode tcp
  timeout connect 5s
  timeout check 1s
  timeout client 1h
  timeout server 1h
listen primary
  bind 127.0.0.1:${port}
  option httpchk GET /primary
  http-check expect status 200
${lines.join('\n')}
`
  )
  const complaint = 'HAProxy does not lead to a primary'
  return { port, stop: await startProgram(binary, ['-db', '-f', file], () => isUp(port), complaint) }
}

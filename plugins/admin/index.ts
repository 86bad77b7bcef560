import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createAdminServer } from './server.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the admin listener is, for example `http://127.0.0.1:9090`; undefined while it is off. */
    adminOrigin: string | undefined
  }
}

/** ADMIN_PORT cannot be listened on. Code `ADMIN_PORT`. */
export class AdminPortError extends Error {
  readonly code = 'ADMIN_PORT'
  /** What to tell the operator. */
  readonly lines: string[]

  constructor (port: number, cause: unknown) {
    const why = cause instanceof Error && 'code' in cause ? cause.code : undefined
    const line = why === 'EADDRINUSE'
      ? `ADMIN_PORT ${port} is taken: stop what listens there, or choose another`
      : `Cannot listen on ADMIN_PORT ${port}: choose a port above 1023 and an ADMIN_HOST of this machine`
    super(line, { cause })
    this.name = 'AdminPortError'
    this.lines = [line]
  }
}

/**
 * With ADMIN_PORT set: the status page, /metrics and the probes on a listener of their own, from the moment the app is
 * ready until its last request is answered. It has no access control: keep its port inside, by ADMIN_HOST or a firewall.
 */
export default fp(async function admin (app) {
  const { ADMIN_PORT, ADMIN_HOST } = app.config
  app.decorate('adminOrigin', undefined)
  if (ADMIN_PORT === undefined || app.offline) return
  const server = createAdminServer(app)
  app.addHook('onReady', async function openAdmin () {
    app.adminOrigin = await listen(server, ADMIN_HOST, ADMIN_PORT)
    app.log.info({ admin: app.adminOrigin }, 'status page and metrics')
  })
  app.addHook('onClose', async function closeAdmin () {
    app.adminOrigin = undefined
    await server.close()
  })
}, { name: 'admin', dependencies: ['config', 'health', 'metrics'], fastify: '5.x' })

async function listen (server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await server.listen({ host, port })
  } catch (error) {
    throw new AdminPortError(port, error)
  }
  const { address, family, port: bound } = server.server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`
}

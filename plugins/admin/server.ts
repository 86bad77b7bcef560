import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { isLocalName, isLoopback } from '../common/local-names.ts'
import { buildPage } from './page.ts'
import { getStatus } from './status.ts'

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'"
}
const TEXT = 'text/plain; charset=utf-8'

/**
 * The admin listener: a server of its own, so that it answers when the API is overloaded or drains.
 * @param app whose metrics and readiness it shows
 * @returns a server that does not listen yet
 */
export function createAdminServer (app: FastifyInstance): FastifyInstance {
  const server = Fastify({ logger: false, requestTimeout: 10_000, forceCloseConnections: true })
  const isForThisMachine = isLoopback(app.config.ADMIN_HOST)
  server.addHook('onRequest', async function guard (request, reply) {
    reply.headers(HEADERS)
    // Another site's name that was pointed at this machine: its scripts would be of the same origin.
    if (isForThisMachine && !isLocalName(request.headers.host)) {
      return await reply.code(421).type(TEXT).send('This listener is for the machine it runs on\n')
    }
    return undefined
  })
  const paths = new Set<string>()
  server.addHook('onRoute', ({ url }) => {
    paths.add(url)
  })
  addRoutes(server, app)
  server.setNotFoundHandler(function refuse (request, reply) {
    const isWrongMethod = paths.has(request.url.split('?', 1)[0] ?? '')
    if (isWrongMethod) return reply.code(405).header('allow', 'GET, HEAD').type(TEXT).send('Only GET and HEAD\n')
    return reply.code(404).type(TEXT).send(`There are ${[...paths].join(' ')}\n`)
  })
  server.setErrorHandler(function fail (error, _request, reply) {
    app.log.error({ err: error }, 'the admin listener failed')
    return reply.code(500).type(TEXT).send('Internal error\n')
  })
  return server
}

function addRoutes (server: FastifyInstance, app: FastifyInstance): void {
  const page = buildPage()
  server.get(
    '/',
    (_request, reply) =>
      reply.header('content-security-policy', page.policy).type('text/html; charset=utf-8').send(page.html)
  )
  server.get('/status.json', () => getStatus(app))
  server.get('/metrics', async (_request, reply) => reply.type(app.metrics.contentType).send(await app.metrics.text()))
  server.get('/livez', () => ({ status: 'alive' }))
  for (const path of ['/readyz', '/healthz']) server.get(path, answerReadiness)

  async function answerReadiness (_request: unknown, reply: FastifyReply) {
    const report = await app.readiness()
    reply.code(report.status === 'ready' ? 200 : 503)
    return report
  }
}

import cors from '@fastify/cors'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { isLocalName, isLoopback, toName } from './common/local-names.ts'

/**
 * What helmet sets, as a table: the headers never differ here, and @fastify/helmet would work them out again for each
 * request. A test compares them with helmet's.
 */
export const SECURITY_HEADERS = {
  // Answers are data: nothing in them may load or run anything. The documentation page brings its own policy.
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0'
} as const

const HostNameError = createError('HOST_NAME', 'A request whose Host is no name of this machine.', 421)

/** Security headers on every answer; CORS stays off until `CORS_ORIGINS` lists who may call from a browser. */
export default fp(async function security (app) {
  app.addHook('onRequest', function addSecurityHeaders (_request, reply, done) {
    // Data is for the client that asked, and may have changed when it asks again; its ETag tells. Errors are not kept
    // at all.
    reply.headers(SECURITY_HEADERS).header('cache-control', 'private, no-cache')
    done()
  })
  refuseOtherNames(app)
  const origins = app.config.CORS_ORIGINS.split(',').map((origin) => origin.trim()).filter((origin) => origin !== '')
  if (origins.length === 0) return
  await app.register(cors, {
    origin: origins,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: [
      'location',
      'link',
      'etag',
      'retry-after',
      'x-request-id',
      'consistency-token',
      'preference-applied',
      'idempotency-replayed'
    ],
    maxAge: 600
  })
}, { name: 'security', dependencies: ['config', 'errors'], fastify: '5.x' })

/** In development pages of other sites must not reach the service by a name of theirs; a proxy in front is not asked. */
function refuseOtherNames (app: FastifyInstance): void {
  const { NODE_ENV, HOST, ALLOWED_HOSTS } = app.config
  if (NODE_ENV !== 'development' || !isLoopback(HOST)) return
  const allowed = new Set(ALLOWED_HOSTS.split(',').map((name) => toName(name.trim())).filter((name) => name !== ''))
  app.addHook('onRequest', function checkName ({ headers: { host } }, _reply, done) {
    // Browsers always send one.
    if (host === undefined || isLocalName(host) || allowed.has(toName(host))) return done()
    done(new HostNameError())
  })
}

import cors from '@fastify/cors'
import fp from 'fastify-plugin'

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

/** Security headers on every answer; CORS stays off until `CORS_ORIGINS` lists who may call from a browser. */
export default fp(async function security (app) {
  app.addHook('onRequest', function addSecurityHeaders (_request, reply, done) {
    // Data is for the client that asked, and may have changed when it asks again; its ETag tells. Errors are not kept
    // at all.
    reply.headers(SECURITY_HEADERS).header('cache-control', 'private, no-cache')
    done()
  })
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

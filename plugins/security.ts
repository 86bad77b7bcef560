import { IncomingMessage, ServerResponse, type OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import helmet from 'helmet'

/** Security headers on every answer; CORS stays off until `CORS_ORIGINS` lists who may call from a browser. */
export default fp(async function security (app) {
  const headers = securityHeaders()
  app.addHook('onRequest', function addSecurityHeaders (_request, reply, done) {
    reply.headers(headers)
    done()
  })
  const origins = app.config.CORS_ORIGINS.split(',').map((origin) => origin.trim()).filter((origin) => origin !== '')
  if (origins.length === 0) return
  await app.register(cors, {
    origin: origins,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: ['location', 'link', 'retry-after', 'x-request-id', 'consistency-token', 'preference-applied', 'idempotency-replayed'],
    maxAge: 600
  })
}, { name: 'security', dependencies: ['config', 'errors'], fastify: '5.x' })

/**
 * What helmet sets, asked for once: they never differ here, and @fastify/helmet would work them out again for each request,
 * which is a tenth of the time that a small one takes.
 */
function securityHeaders (): OutgoingHttpHeaders {
  const request = new IncomingMessage(new Socket())
  const reply = new ServerResponse(request)
  // Answers are data: nothing in them may load or run anything. The documentation page brings its own policy.
  const contentSecurityPolicy = { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } }
  helmet({ contentSecurityPolicy })(request, reply, function sent () {})
  return { ...reply.getHeaders() }
}

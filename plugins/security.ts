import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'

/** Security headers on every answer; CORS stays off until `CORS_ORIGINS` lists who may call from a browser. */
export default fp(async function security (app) {
  await app.register(helmet, {
    // Answers are data: nothing in them may load or run anything. The documentation page brings its own policy.
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } }
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

import fp from 'fastify-plugin'

/** GET / tells whoever opens the address in a browser where documents and probes are. */
export default fp(async function home (app) {
  const documents = app.config.DOCS ? { docs: '/docs', openapi: '/openapi.json' } : {}
  const places = { ...documents, problems: '/docs/problems', probes: { alive: '/livez', ready: '/readyz' } }
  app.get('/', { schema: { hide: true }, config: { transaction: false } }, function tellPlaces () {
    return places
  })
}, { name: 'home', dependencies: ['config', 'openapi'], fastify: '5.x' })

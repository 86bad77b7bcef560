import fp from 'fastify-plugin'

// What is left of the grace when connections are cut off: time to roll back, end pools and stop embedded databases.
const CLEAN_UP_MS = 2000

/**
 * Lets requests finish when the service closes: each answer then says `Connection: close`, so that keep-alive clients go
 * elsewhere, and what is still open shortly before SHUTDOWN_GRACE_MS ends is cut off.
 */
export default fp(async function drain (app) {
  const { SHUTDOWN_GRACE_MS } = app.config
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
    // Half-sent requests never finish by themselves, and the server would wait for them.
    const deadline = setTimeout(() => {
      app.server.closeAllConnections()
    }, Math.max(SHUTDOWN_GRACE_MS - CLEAN_UP_MS, SHUTDOWN_GRACE_MS / 2))
    deadline.unref()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })
}, { name: 'drain', dependencies: ['config'], fastify: '5.x' })

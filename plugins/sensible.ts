import fastifySensible from '@fastify/sensible'
import fp from 'fastify-plugin'

/** `app.assert(user, 404, 'User not found')` and `app.httpErrors`. */
export default fp(async function sensible (app) {
  await app.register(fastifySensible)
}, { name: 'sensible', fastify: '5.x' })

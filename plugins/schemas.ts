import fp from 'fastify-plugin'
import { components } from '../schemas/components.ts'

/** Makes the schemas that others refer to known to validators, serializers and the OpenAPI document. */
export default fp(async function schemas (app) {
  for (const component of components) app.addSchema(component)
}, { name: 'schemas', fastify: '5.x' })

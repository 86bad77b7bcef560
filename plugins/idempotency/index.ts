import type { FastifyInstance, HTTPMethods, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { Keyed, type Handler } from './keyed.ts'
import { KEY_SCHEMA } from './request.ts'
import { sweepKeys } from './sql-store.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether the route takes an `Idempotency-Key`: `true`, `'required'` (400 without one) or `false`. Needs a transaction.
     * Default: `true` for POST routes that have one.
     */
    idempotency?: boolean | 'required'
  }
}

const SWEEP_EVERY_MS = 10 * 60 * 1000

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). Key and answer are stored in the request's own transaction: after a
 * crash at any moment either both the work and its answer are there, or neither. Answers that roll back are not kept.
 * Comes before the transactions plugin, which then runs the claim with each attempt of the handler and commits after all else.
 */
export default fp(async function idempotency (app) {
  const keys = new Keyed(app)
  app.addHook('onRoute', function takeKeys (route) {
    const mode = modeOf(route)
    if (mode === false) return
    route.schema = { ...route.schema, headers: headersSchema(route, mode) }
    route.handler = keys.wrap(route.handler as Handler)
    route.onSend = [...[route.onSend ?? []].flat(), keys.saveAnswer]
  })
  if (!app.offline) sweepRegularly(app)
}, { name: 'idempotency', dependencies: ['config', 'errors', 'sql', 'mongo'], fastify: '5.x' })

function modeOf ({ config, method, url }: RouteOptions): boolean | 'required' {
  const methods = [method].flat() as HTTPMethods[]
  const mode = config?.idempotency ?? methods.every((name) => name === 'POST')
  const isUnsafe = methods.some((name) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(name))
  const transaction = config?.transaction ?? isUnsafe
  if (transaction !== false && transaction !== 'statement') return mode
  if (config?.idempotency === undefined || mode === false) return false
  throw new Error(`${methods.join('|')} ${url}: config.idempotency needs a transaction, in which key and answer are stored together with the work`)
}

function headersSchema ({ schema }: RouteOptions, mode: true | 'required'): object {
  const { properties = {}, required = [], ...rest } = (schema?.headers ?? {}) as { properties?: object, required?: string[] }
  return {
    type: 'object',
    ...rest,
    properties: { ...properties, 'idempotency-key': KEY_SCHEMA },
    ...(mode === 'required' || required.length > 0 ? { required: [...required, ...(mode === 'required' ? ['idempotency-key'] : [])] } : {})
  }
}

function sweepRegularly (app: FastifyInstance): void {
  // Not all instances at the same moment; twice is harmless.
  const every = SWEEP_EVERY_MS * (0.75 + Math.random() / 2)
  const timer = setInterval(() => {
    sweepKeys(app).catch((error: unknown) => { app.log.warn({ err: error }, 'idempotency keys could not be swept') })
  }, every).unref()
  app.addHook('onClose', async () => { clearInterval(timer) })
}

import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { runFirst } from '../common/route-hooks.ts'
import { Keyed, type Handler } from './keyed.ts'
import { KEY_SCHEMA } from './request.ts'
import { callerFinder, type IdempotencyScope } from './scope.ts'
import { deleteExpiredKeys } from './sql-store.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether the route takes an `Idempotency-Key`: `true`, `'required'` (400 without one) or `false`. Needs a
     * transaction. Default: `true` for POST routes that have one. A route that is read only answers 400 to a key, or
     * ignores it with `false`. An object switches it on and says whose keys are one (`scope`), and whether one is needed.
     */
    idempotency?: boolean | 'required' | IdempotencyOptions
  }
}

/** `config.idempotency` of a route in full. */
export interface IdempotencyOptions {
  /** Names the caller of a request. Default: the scope of `app.setIdempotencyScope`. */
  scope?: IdempotencyScope
  /** Whether a request without a key is 400. Default false. */
  required?: boolean
}

const SWEEP_EVERY_MS = 10 * 60 * 1000

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). Key and answer are stored in the request's own
 * transaction: after a crash at any moment either both the work and its answer are there, or neither. Answers that roll
 * back are not kept. Where a handler calls commit(), its key is stored with the work and the answer after it: a repeat
 * that comes in between, or after a crash there, gets 409 `answer-unknown` and stores nothing. Comes before the
 * transactions plugin, which then runs the claim with each attempt of the handler and commits after all else.
 */
export default fp(async function idempotency (app) {
  const keys = new Keyed(app, callerFinder(app))
  app.addHook('onRoute', function takeKeys (route) {
    const mode = getMode(route)
    if (mode === false) return
    if (isReadOnly(route)) return refuseKeys(app, route)
    route.schema = { ...route.schema, headers: headersSchema(route, mode) }
    route.handler = keys.wrap(route.handler as Handler)
    route.onSend = [...[route.onSend ?? []].flat(), keys.saveAnswer]
  })
  if (!app.offline) deleteRegularly(app)
}, { name: 'idempotency', dependencies: ['config', 'errors', 'sql', 'mongo'], fastify: '5.x' })

function getMode ({ config, method, url }: RouteOptions): boolean | 'required' {
  const methods = [method].flat() as HTTPMethods[]
  const given = config?.idempotency ?? methods.every((name) => name === 'POST')
  const mode = typeof given === 'object' ? readOptions(given, `${methods.join('|')} ${url}`) : given
  const isUnsafe = methods.some((name) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(name))
  const transaction = config?.transaction ?? isUnsafe
  if (transaction !== false && transaction !== 'statement') return mode
  if (config?.idempotency === undefined || mode === false) return false
  throw new Error(
    `${
      methods.join('|')
    } ${url}: config.idempotency needs a transaction, in which key and answer are stored together with the work`
  )
}

function readOptions (options: IdempotencyOptions, route: string): true | 'required' {
  const { scope, required, ...others } = options
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) {
    throw new TypeError(`${route}: config.idempotency.${unknown} is no option; there are scope and required`)
  }
  if (scope !== undefined && typeof scope !== 'function') {
    throw new TypeError(`${route}: config.idempotency.scope is no function; give one that names the caller`)
  }
  if (required !== undefined && typeof required !== 'boolean') {
    throw new TypeError(`${route}: config.idempotency.required is neither true nor false; give one of them`)
  }
  return required === true ? 'required' : true
}

function isReadOnly ({ config }: RouteOptions): boolean {
  const { transaction } = config ?? {}
  return typeof transaction === 'object' && transaction.accessMode === 'read only'
}

/** A repeat of what only reads reads again: there is no place in its transaction for a key, and nothing to protect. */
function refuseKeys (app: FastifyInstance, route: RouteOptions): void {
  if (route.config?.idempotency !== undefined) {
    const reason = 'config.idempotency has nothing to protect where config.transaction is read only'
    throw new Error(
      `${[route.method].flat().join('|')} ${route.url}: ${reason}; leave it out, or set it to false to ignore keys`
    )
  }
  const detail =
    'This operation only reads and takes no Idempotency-Key: send it again without one, as often as you like'
  function refuseKey ({ headers }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
    if (headers['idempotency-key'] === undefined) return done()
    done(app.createProblem(400, detail, { type: 'bad-request' }))
  }
  runFirst(route, refuseKey)
}

function headersSchema ({ schema }: RouteOptions, mode: true | 'required'): object {
  const { properties = {}, required = [], ...rest } = (schema?.headers ?? {}) as {
    properties?: object
    required?: string[]
  }
  return {
    type: 'object',
    ...rest,
    properties: { ...properties, 'idempotency-key': KEY_SCHEMA },
    ...(mode === 'required' || required.length > 0
      ? { required: [...required, ...(mode === 'required' ? ['idempotency-key'] : [])] }
      : {})
  }
}

function deleteRegularly (app: FastifyInstance): void {
  // Not all instances at the same moment; twice is harmless.
  const every = SWEEP_EVERY_MS * (0.75 + Math.random() / 2)
  const timer = setInterval(() => {
    deleteExpiredKeys(app).catch((error: unknown) => {
      app.log.warn({ err: error }, 'idempotency keys could not be swept')
    })
  }, every).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
  })
}

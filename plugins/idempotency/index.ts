import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { tokenOf } from '../consistency/index.ts'
import { mongoKeyStore } from './mongo-store.ts'
import { KEY_SCHEMA, keyedRequest, type KeyedRequest } from './request.ts'
import { sqlKeyStore, sweepKeys } from './sql-store.ts'
import type { KeyStore, StoredAnswer } from './store.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether the route takes an `Idempotency-Key`: `true`, `'required'` (400 without one) or `false`. Needs a transaction.
     * Default: `true` for POST routes that have one.
     */
    idempotency?: boolean | 'required'
  }
}

type Done = (error: Error | null, payload?: unknown) => void

const LIFETIME_MS = 24 * 3600 * 1000
const SWEEP_EVERY_MS = 10 * 60 * 1000
/** What of a first answer a repeat is given, beside status and body. */
const KEPT = ['content-type', 'location', 'content-location', 'link', 'etag', 'last-modified']

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). Key and answer are stored in the request's own transaction: after a
 * crash at any moment either both the work and its answer are there, or neither. Answers that roll back are not kept.
 */
export default fp(async function idempotency (app) {
  const stores: Record<'sql' | 'mongo', KeyStore> = { sql: sqlKeyStore(app.sqlite !== undefined), mongo: mongoKeyStore(app) }
  const claimed = new WeakMap<FastifyRequest, KeyedRequest>()

  app.addHook('onRoute', function takeKeys (route) {
    const mode = modeOf(route)
    if (mode === false) return
    route.schema = { ...route.schema, headers: headersSchema(route, mode) }
    route.preHandler = [...[route.preHandler ?? []].flat(), claimKey]
    route.onSend = [route.onSend ?? []].flat().toSpliced(-1, 0, saveAnswer) // the last hook is the gate that commits
  })
  if (!app.offline) sweepRegularly(app)

  function claimKey (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const keyed = keyedRequest(request)
    if (keyed === undefined) return done()
    stores[request.transaction.store].claim(request, keyed).then((known) => {
      if (known === 'running') return done(refusal(app, 409, 'A request with this Idempotency-Key is being processed'))
      if (known !== 'new' && known.fingerprint !== keyed.fingerprint) return done(refusal(app, 422, 'This Idempotency-Key was used for another request'))
      if (known !== 'new') return replay(reply, known.answer)
      claimed.set(request, keyed)
      done()
    }, done)
  }

  function saveAnswer (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void {
    const keyed = claimed.get(request)
    if (keyed === undefined || reply.statusCode >= 400) return done(null, payload)
    const answer = answerOf(request, reply, payload)
    if (answer === undefined) return done(new TypeError('an answer that is streamed cannot be kept for an Idempotency-Key; set config.idempotency to false'))
    stores[request.transaction.store].save(request, keyed, answer, new Date(Date.now() + LIFETIME_MS)).then((isFirst) => {
      if (isFirst) done(null, payload)
      else done(refusal(app, 409, 'A request with this Idempotency-Key is being processed'))
    }, done)
  }
}, { name: 'idempotency', dependencies: ['errors', 'sql', 'mongo', 'transactions', 'consistency'], fastify: '5.x' })

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

function answerOf (request: FastifyRequest, reply: FastifyReply, payload: unknown): StoredAnswer | undefined {
  const isEmpty = payload === undefined || payload === null
  if (!isEmpty && typeof payload !== 'string' && !Buffer.isBuffer(payload)) return undefined
  const headers: Record<string, string> = {}
  for (const name of KEPT) {
    const value = reply.getHeader(name)
    if (value !== undefined) headers[name] = String(value)
  }
  const token = tokenOf(request.transaction)
  return { status: reply.statusCode, headers: { ...headers, ...(token && { 'consistency-token': token }) }, body: isEmpty ? '' : String(payload) }
}

function replay (reply: FastifyReply, { status, headers, body }: StoredAnswer): void {
  reply.code(status).headers(headers).header('idempotency-replayed', 'true').send(body === '' ? undefined : body)
}

function refusal (app: FastifyInstance, status: 409 | 422, message: string): Error {
  return app.httpErrors.createError(status, message, { type: status === 409 ? 'conflict' : 'unprocessable' })
}

function sweepRegularly (app: FastifyInstance): void {
  // Not all instances at the same moment; twice is harmless.
  const every = SWEEP_EVERY_MS * (0.75 + Math.random() / 2)
  const timer = setInterval(() => {
    sweepKeys(app).catch((error: unknown) => { app.log.warn({ err: error }, 'idempotency keys could not be swept') })
  }, every).unref()
  app.addHook('onClose', async () => { clearInterval(timer) })
}

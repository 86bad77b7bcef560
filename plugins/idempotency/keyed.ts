import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { getToken } from '../read-your-writes/index.ts'
import { mongoKeyStore } from './mongo-store.ts'
import { keyedRequest, type KeyedRequest } from './request.ts'
import { sqlKeyStore } from './sql-store.ts'
import type { KeyStore, StoredAnswer } from './store.ts'

export type Handler = (this: ThisParameterType<RouteHandlerMethod>, request: FastifyRequest, reply: FastifyReply) => unknown
type Done = (error: Error | null, payload?: unknown) => void

const LIFETIME_MS = 24 * 3600 * 1000
/** What of a first answer a repeat is given, beside status and body. */
const KEPT = ['content-type', 'location', 'content-location', 'link', 'etag', 'last-modified']

/** Wraps handlers so that a repeat gets the first answer, and keeps answers in the transaction of their work. */
export class Keyed {
  readonly #app: FastifyInstance
  readonly #stores: Record<'sql' | 'mongo', KeyStore>
  readonly #claimed = new WeakMap<FastifyRequest, KeyedRequest>()

  constructor (app: FastifyInstance) {
    this.#app = app
    this.#stores = { sql: sqlKeyStore(app.sqlite !== undefined), mongo: mongoKeyStore(app) }
  }

  /** The claim is part of the handler: where that runs again after a conflict, its new transaction claims the key again. */
  wrap (handler: Handler): RouteHandlerMethod {
    const run = this.#run.bind(this)
    return function handleKeyed (request, reply) {
      const keyed = keyedRequest(request)
      const work = () => handler.call(this, request, reply)
      return keyed === undefined ? work() : run(keyed, request, reply, work)
    }
  }

  /** An onSend hook, before the one that commits. */
  saveAnswer = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void => {
    const keyed = this.#claimed.get(request)
    if (keyed === undefined || reply.statusCode >= 400) return done(null, payload)
    const answer = answerOf(request, reply, payload)
    if (answer === undefined) return done(new TypeError('an answer that is streamed cannot be kept for an Idempotency-Key; set config.idempotency to false'))
    this.#storeOf(request).save(request, keyed, answer, new Date(Date.now() + LIFETIME_MS)).then((isFirst) => {
      if (isFirst) done(null, payload)
      else done(this.#refusal(409))
    }, done)
  }

  async #run (keyed: KeyedRequest, request: FastifyRequest, reply: FastifyReply, work: () => unknown): Promise<unknown> {
    const known = await this.#storeOf(request).claim(request, keyed)
    if (known === 'running') throw this.#refusal(409)
    if (known !== 'new' && known.fingerprint !== keyed.fingerprint) throw this.#refusal(422)
    if (known !== 'new') {
      // An earlier attempt of the handler has claimed the key, perhaps; this answer is not to be kept again.
      this.#claimed.delete(request)
      return replay(reply, known.answer)
    }
    this.#claimed.set(request, keyed)
    const outcome = work()
    if (!(outcome instanceof Promise)) return outcome ?? reply // nothing: it answers by reply.send(), now or later
    const result: unknown = await outcome
    return result === undefined && reply.sent ? reply : result
  }

  #storeOf ({ transaction }: FastifyRequest): KeyStore {
    return this.#stores[transaction.store]
  }

  #refusal (status: 409 | 422): Error {
    const detail = status === 409 ? 'A request with this Idempotency-Key is being processed' : 'This Idempotency-Key was used for another request'
    return this.#app.createProblem(status, detail)
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
  const token = getToken(request)
  return { status: reply.statusCode, headers: { ...headers, ...(token && { 'consistency-token': token }) }, body: isEmpty ? '' : String(payload) }
}

function replay (reply: FastifyReply, { status, headers, body }: StoredAnswer): FastifyReply {
  return reply.code(status).headers(headers).header('idempotency-replayed', 'true').send(body === '' ? undefined : body)
}

import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { CATALOG } from '../errors/catalog.ts'
import { getAnswer, replay, getStatus } from './answer.ts'
import { mongoKeyStore } from './mongo-store.ts'
import { keyedRequest, type KeyedRequest } from './request.ts'
import type { Caller } from './scope.ts'
import { sqlKeyStore } from './sql-store.ts'
import type { KeyStore, StoredAnswer } from './store.ts'

export type Handler = (
  this: ThisParameterType<RouteHandlerMethod>,
  request: FastifyRequest,
  reply: FastifyReply
) => unknown
type Done = (error: Error | null, payload?: unknown) => void

const LIFETIME_MS = 24 * 3600 * 1000
/**
 * Codes of a statement in a transaction that an earlier one has aborted: PostgreSQL's, the plugin's own (SQLite),
 * MongoDB's.
 */
const ABORTED = new Set<unknown>(['25P02', 'TX_ABORTED', 251])

const REFUSALS = {
  running: { status: 409, type: 'conflict', detail: 'A request with this Idempotency-Key is being processed' },
  unanswered: { status: 409, type: 'answer-unknown', detail: CATALOG['answer-unknown'].detail },
  other: { status: 422, type: 'unprocessable', detail: 'This Idempotency-Key was used for another request' }
} as const

/** Wraps handlers so that a repeat gets the first answer, and keeps answers in the transaction of their work. */
export class Keyed {
  readonly #app: FastifyInstance
  readonly #findCaller: (request: FastifyRequest) => Caller
  readonly #stores: Record<'sql' | 'mongo', KeyStore>
  readonly #claimed = new WeakMap<FastifyRequest, KeyedRequest>()

  constructor (app: FastifyInstance, findCaller: (request: FastifyRequest) => Caller) {
    this.#app = app
    this.#findCaller = findCaller
    this.#stores = { sql: sqlKeyStore(app), mongo: mongoKeyStore(app) }
  }

  /**
   * The claim is part of the handler: where that runs again after a conflict, its new transaction claims the key again.
   */
  wrap (handler: Handler): RouteHandlerMethod {
    const run = this.#run.bind(this)
    const findCaller = this.#findCaller
    return function handleKeyed (request, reply) {
      const keyed = keyedRequest(request, findCaller)
      const work = () => handler.call(this, request, reply)
      return keyed === undefined ? work() : run(keyed, request, reply, work)
    }
  }

  /** An onSend hook, before the one that commits. */
  saveAnswer = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void => {
    const keyed = this.#claimed.get(request)
    if (keyed === undefined) return done(null, payload)
    this.#keep(keyed, request, reply, payload).then(() => {
      done(null, payload)
    }, done)
  }

  async #run (
    keyed: KeyedRequest,
    request: FastifyRequest,
    reply: FastifyReply,
    work: () => unknown
  ): Promise<unknown> {
    // An earlier attempt of the handler may have claimed the key; a refusal of this claim is no answer to keep.
    this.#claimed.delete(request)
    const known = await this.#getStore(request).claim(request, keyed, new Date(Date.now() + LIFETIME_MS))
    if (known === 'running') throw this.#refusal('running')
    if (known !== 'new' && known.fingerprint !== keyed.fingerprint) throw this.#refusal('other')
    if (known !== 'new') {
      if (known.answer === undefined) throw this.#refusal('unanswered')
      return replay(request, reply, known.answer)
    }
    this.#claimed.set(request, keyed)
    const outcome = work()
    if (!(outcome instanceof Promise)) return outcome ?? reply // nothing: it answers by reply.send(), now or later
    const result: unknown = await outcome
    return result === undefined && reply.sent ? reply : result
  }

  /**
   * Keeps the answer of work that is committed: in its transaction, or after it where the handler called commit(),
   * errors too.
   */
  async #keep (keyed: KeyedRequest, request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void> {
    const { transaction } = request
    const answer = getAnswer(request, reply, payload)
    if (transaction.settled !== undefined) {
      // A handler need not wait for its commit() or rollback(). Where that has failed, the commit hook answers with the
      // error.
      await transaction.settled.catch(ignore)
      if (transaction.hasCommitted && answer !== undefined) await this.#complete(keyed, request, answer)
      return
    }
    if (transaction.isRollbackOnly || getStatus(reply, payload) >= 400) return
    if (answer !== undefined) return await this.#getStore(request).save(request, keyed, answer).catch(leaveToCommit)
    if (payload instanceof Readable) payload.destroy()
    const toDo = 'set config.idempotency to false on this route'
    throw new TypeError(`${keyed.route} streams its answer, which cannot be kept for an Idempotency-Key; ${toDo}`)
  }

  /** The work is stored, so the reply goes out in any case; without this answer a repeat gets `answer-unknown`. */
  async #complete (keyed: KeyedRequest, request: FastifyRequest, answer: StoredAnswer): Promise<void> {
    try {
      await this.#getStore(request).complete(keyed, answer)
    } catch (error) {
      request.log.warn({ err: error }, 'the answer to committed work could not be kept for its Idempotency-Key')
    }
  }

  #getStore ({ transaction }: FastifyRequest): KeyStore {
    return this.#stores[transaction.store]
  }

  #refusal (reason: keyof typeof REFUSALS): Error {
    const { status, type, detail } = REFUSALS[reason]
    return this.#app.createProblem(status, detail, { type })
  }
}

/**
 * Behind a failed statement whose error was swallowed nothing can commit: the COMMIT fails with the reason, or is run
 * again.
 */
function leaveToCommit (error: unknown): void {
  const isAborted = error instanceof Error && 'code' in error && ABORTED.has(error.code)
  if (!isAborted) throw error
}

function ignore (): void {}

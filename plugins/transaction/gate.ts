import { validateHeaderValue } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import { addTo, completeReply, validateHeaders, type ReplyAddition } from './before-reply.ts'
import { TransactionAbortedError, TransactionUsageError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { headersOf, restoreReply } from './exchange.ts'
import { awaitFirstByte, isReadable, nodeStream } from './first-byte.ts'
import { logFailure, logOutcome } from './log.ts'

type Done = (error?: Error | null, payload?: unknown) => void

/** A reply as it reached the gate. */
interface Reply {
  isSuccess: boolean
  status: number
  headers: Record<string, unknown>
  payload: unknown
  done: Done
}

/** What the gate needs of the plugin. */
export interface GateContext {
  exchangeOf: (request: FastifyRequest) => Exchange | undefined
}

/**
 * The last onSend hook of a transactional route: COMMIT or ROLLBACK after serialization and every other hook, before the first byte.
 * A callback hook with its own re-entry state, because a second `reply.send()` starts a second pipeline while this one waits.
 */
export function createGate (context: GateContext): onSendHookHandler<unknown> {
  return function transactionGate (request, reply, payload, done) {
    const exchange = context.exchangeOf(request)
    if (exchange === undefined) return done(null, payload)
    const isSuccess = statusOf(reply, payload) < 400
    if (isTooLate(exchange, isSuccess)) return
    if (exchange.wait !== undefined) {
      if (isSuccess) return
      exchange.wait.stop()
    }
    if (exchange.pass !== undefined) return secondReply(exchange, payload, done)
    const { scope } = exchange
    if (scope.settled !== undefined) return afterSettlement(exchange, isSuccess, payload, done)
    const headers = headersOf(reply)
    const mistake = isSuccess ? unsendable(reply, headers, payload) : undefined
    if (mistake !== undefined) {
      // Node would refuse it with the error reply too.
      reply.raw.statusMessage = ''
      return done(mistake)
    }
    const body = isSuccess && scope.state !== 'idle' ? nodeStream(payload) : payload
    const first: Reply = { isSuccess, status: reply.statusCode, headers, payload: body, done }
    if (isSuccess && scope.state !== 'idle' && isReadable(body)) return waitForFirstByte(exchange, first, body)
    conclude(exchange, first)
  }
}

/** A stream that fails before its first byte can still roll back; and while nothing is committed, an error may take its place. */
function waitForFirstByte (exchange: Exchange, first: Reply, stream: Readable): void {
  let stopWaiting = (): void => {}
  const end = (next: () => void) => () => {
    exchange.wait = undefined
    stopWaiting()
    next()
  }
  const proceed = end(() => {
    if (exchange.route.options.stream === true && exchange.scope.isOpen) write(exchange, stream, first.done)
    else conclude(exchange, first)
  })
  const destroy = () => { stream.destroy() }
  // It may fail while COMMIT is on its way and nobody else listens yet.
  stream.on('error', ignore)
  exchange.wait = {
    proceed,
    fail: (error) => { end(() => { destroy(); first.done(error) })() },
    stop: end(destroy)
  }
  stopWaiting = awaitFirstByte(stream, {
    onReady: proceed,
    onError: (error) => { end(() => { destroy(); first.done(exchange.scope.doom ?? error) })() }
  })
}

function conclude (exchange: Exchange, { isSuccess, status, headers, payload, done }: Reply): void {
  const { scope, reply } = exchange
  exchange.pass = isSuccess ? 'commit' : 'rollback'
  const wasIdle = scope.state === 'idle' && scope.misuse === undefined
  const settlement = scope.settle(exchange.pass)
  if (wasIdle) return finish(exchange, payload, done)
  const send = (additions: ReplyAddition[]) => {
    // What a second reply, or code after the first one, has changed meanwhile was not decided upon.
    restoreReply(reply, status, headers)
    addTo(reply, additions)
    finish(exchange, payload, done)
  }
  settlement.then(() => { completeReply(exchange, send) }, (error: unknown) => { fail(exchange, error, done) })
}

function finish (exchange: Exchange, payload: unknown, done: Done): void {
  exchange.pass = undefined
  exchange.release()
  logOutcome(exchange)
  write(exchange, payload, done)
}

function fail (exchange: Exchange, error: unknown, done: Done): void {
  exchange.pass = undefined
  exchange.isAnswering = false
  if (exchange.mayRetry(error)) return exchange.rerun()
  // Until the error has passed this gate a reply of the handler is a second one, which the guards drop.
  exchange.isAnswering = true
  logOutcome(exchange)
  if (error instanceof TransactionAbortedError) logFailure(exchange)
  if (!exchange.reply.raw.headersSent) done(error instanceof Error ? error : new Error('COMMIT failed', { cause: error }))
}

/** The first reply is being settled. One that commits answers by itself; an error waits until the rollback has ended. */
function secondReply (exchange: Exchange, payload: unknown, done: Done): void {
  if (exchange.pass === 'commit') return
  const send = () => { if (!exchange.reply.raw.headersSent) write(exchange, payload, done) }
  exchange.scope.settle('rollback').then(send, send)
}

/** A reply was handed to Fastify already. An error may follow it when a stream failed before any of it was written, and nothing is committed. */
function isTooLate ({ answer, reply, scope }: Exchange, isSuccess: boolean): boolean {
  if (answer === undefined) return false
  const hasFailed = !(answer.payload instanceof Readable) || answer.payload.destroyed
  if (reply.raw.headersSent || isSuccess || !hasFailed) return true
  if (scope.state !== 'committed' || scope.duration === 0) return false
  // An error would deny what is stored: a broken connection says that nobody knows.
  reply.raw.destroy()
  return true
}

/** The scope was settled before the reply: explicitly, by the deadline, or because the client went away. */
function afterSettlement (exchange: Exchange, isSuccess: boolean, payload: unknown, done: Done): void {
  const { scope } = exchange
  exchange.pass = isSuccess ? 'commit' : 'rollback'
  const answer = (error?: unknown) => {
    const refusal = error ?? scope.doom
    if (!isSuccess) return finish(exchange, payload, done)
    if (refusal === undefined) {
      return completeReply(exchange, (additions) => {
        addTo(exchange.reply, additions)
        finish(exchange, payload, done)
      })
    }
    exchange.pass = undefined
    exchange.release()
    done(refusal instanceof Error ? refusal : new Error('the transaction failed', { cause: refusal }))
  }
  scope.settle('rollback').then(() => { answer() }, answer)
}

/** The status that will be sent; a fetch Response brings its own. */
function statusOf (reply: FastifyReply, payload: unknown): number {
  return payload instanceof Response ? payload.status : reply.statusCode
}

/** What would only fail after the COMMIT: a header Node refuses, a payload Fastify cannot write. */
function unsendable (reply: FastifyReply, headers: Record<string, unknown>, payload: unknown): Error | undefined {
  try {
    validateHeaders(headers)
    // Node checks the reason phrase by the rule of header values.
    validateHeaderValue('reason', reply.raw.statusMessage ?? '')
  } catch (error) {
    return error instanceof Error ? error : undefined
  }
  const body = payload instanceof Response ? payload.body : payload
  if (payload instanceof Response && payload.bodyUsed) return new TransactionUsageError('the body of the Response that was sent has been read already')
  if (body instanceof ReadableStream && body.locked) return new TransactionUsageError('the stream that was sent is being read elsewhere')
  if (body instanceof Readable && body.destroyed && !body.readableEnded) return body.errored ?? new TransactionUsageError('the stream that was sent was destroyed before')
  const isSendable = body === undefined || body === null || typeof body === 'string' || Buffer.isBuffer(body) || (typeof body === 'object' && ('pipe' in body || 'getReader' in body))
  return isSendable ? undefined : new TransactionUsageError('an onSend hook left a payload that is no string, Buffer or stream')
}

/** `done` runs Fastify's writing; what it throws is answered as Fastify would, and must not become an unhandled rejection. */
function write (exchange: Exchange, payload: unknown, done: Done): void {
  const { raw, log } = exchange.reply
  if (raw.writableEnded) return
  exchange.answer = { payload }
  try {
    try {
      done(null, payload)
    } catch (error) {
      // Once work is stored an error would deny it; a broken connection says that nobody knows.
      if (raw.headersSent || (exchange.scope.state === 'committed' && exchange.scope.duration > 0)) throw error
      done(error instanceof Error ? error : new Error('the reply could not be written', { cause: error }))
    }
  } catch (error) {
    log.error({ err: error }, 'the reply could not be written')
    raw.destroy()
  }
}

function ignore (): void {}

import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import { TransactionAbortedError, TransactionUsageError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { restoreReply } from './exchange.ts'
import { whenFirstByteIsReady } from './first-byte.ts'
import { logOutcome } from './log.ts'

type Done = (error?: Error | null, payload?: unknown) => void

/** What the gate needs of the plugin. */
export interface GateContext {
  exchangeOf: (request: FastifyRequest) => Exchange | undefined
  /** Runs the handler again and sends what it returns. */
  rerun: (exchange: Exchange) => void
}

/**
 * The last onSend hook of a transactional route: COMMIT or ROLLBACK after serialization and every other hook, before the first byte.
 * A callback hook with its own re-entry state, because a second `reply.send()` starts a second pipeline while this one waits.
 */
export function createGate (context: GateContext): onSendHookHandler<unknown> {
  return function transactionGate (request, reply, payload, done) {
    const exchange = context.exchangeOf(request)
    if (exchange === undefined) return done(null, payload)
    if (exchange.pass !== undefined) return secondReply(exchange, payload, done)
    const isSuccess = statusOf(reply, payload) < 400
    const { scope } = exchange
    if (scope.settled !== undefined) return afterSettlement(exchange, isSuccess, payload, done)
    if (isSuccess && exchange.route.options.stream === true && scope.isOpen) return done(null, payload)
    const mistake = isSuccess ? unsendable(reply, payload) : undefined
    if (mistake !== undefined) return done(mistake)
    exchange.pass = isSuccess ? 'commit' : 'rollback'
    if (!isSuccess || scope.state === 'idle') return conclude(context, exchange, payload, done)
    whenFirstByteIsReady(payload, (error, body) => {
      if (error === undefined) return conclude(context, exchange, body, done)
      exchange.pass = undefined
      done(error)
    })
  }
}

function conclude (context: GateContext, exchange: Exchange, payload: unknown, done: Done): void {
  const { scope, reply, pass } = exchange
  const status = reply.statusCode
  const headers = { ...reply.getHeaders() }
  const wasIdle = scope.state === 'idle' && scope.misuse === undefined
  const settlement = scope.settle(pass ?? 'rollback')
  if (wasIdle) return finish(exchange, payload, done)
  settlement.then(() => {
    if (reply.raw.headersSent) return finish(exchange, undefined, ignore)
    if (exchange.isSuperseded) restoreReply(reply, status, headers)
    finish(exchange, payload, done)
  }, (error: unknown) => { fail(context, exchange, error, done) })
}

function finish (exchange: Exchange, payload: unknown, done: Done): void {
  exchange.pass = undefined
  exchange.release()
  logOutcome(exchange)
  guarded(exchange, () => { done(null, payload) })
}

function fail (context: GateContext, exchange: Exchange, error: unknown, done: Done): void {
  exchange.pass = undefined
  if (exchange.mayRetry(error)) return context.rerun(exchange)
  exchange.release()
  logOutcome(exchange)
  const { scope, reply } = exchange
  if (error instanceof TransactionAbortedError) {
    reply.log.error({ statement: scope.transaction?.firstFailure?.statement, err: scope.transaction?.firstFailure?.error }, 'the handler went on after a failed statement; nothing was committed')
  }
  if (!reply.raw.headersSent) guarded(exchange, () => { done(error instanceof Error ? error : new Error('COMMIT failed', { cause: error })) })
}

/** The first reply is being settled. One that commits answers by itself; an error waits until the rollback has ended. */
function secondReply (exchange: Exchange, payload: unknown, done: Done): void {
  if (exchange.pass === 'commit') {
    exchange.isSuperseded = true
    return
  }
  const send = () => { if (!exchange.reply.raw.headersSent) guarded(exchange, () => { done(null, payload) }) }
  exchange.scope.settle('rollback').then(send, send)
}

/** The scope was settled before the reply: explicitly, by the deadline, or because the client went away. */
function afterSettlement (exchange: Exchange, isSuccess: boolean, payload: unknown, done: Done): void {
  const { scope } = exchange
  exchange.pass = isSuccess ? 'commit' : 'rollback'
  const answer = (error?: unknown) => {
    const refusal = error ?? scope.doom
    if (!isSuccess || refusal === undefined) return finish(exchange, payload, done)
    exchange.pass = undefined
    exchange.release()
    guarded(exchange, () => { done(refusal instanceof Error ? refusal : new Error('the transaction failed', { cause: refusal })) })
  }
  scope.settle('rollback').then(() => { answer() }, answer)
}

/** The status that will be sent; a fetch Response brings its own. */
function statusOf (reply: FastifyReply, payload: unknown): number {
  return payload instanceof Response ? payload.status : reply.statusCode
}

/** What would only fail after the COMMIT: a header Node refuses, a payload Fastify cannot write. */
function unsendable (reply: FastifyReply, payload: unknown): Error | undefined {
  try {
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      validateHeaderName(name)
      for (const each of [value].flat()) validateHeaderValue(name, String(each))
    }
  } catch (error) {
    return error instanceof Error ? error : undefined
  }
  const isSendable = payload === undefined || payload === null || typeof payload === 'string' || Buffer.isBuffer(payload) ||
    payload instanceof Response || (typeof payload === 'object' && ('pipe' in payload || 'getReader' in payload))
  return isSendable ? undefined : new TransactionUsageError('an onSend hook left a payload that is no string, Buffer or stream')
}

/** `done` runs Fastify's writing; what it throws must not become an unhandled rejection. */
function guarded (exchange: Exchange, send: () => void): void {
  try {
    send()
  } catch (error) {
    exchange.reply.log.error({ err: error }, 'the reply could not be written')
    exchange.reply.raw.destroy()
  }
}

function ignore (): void {}

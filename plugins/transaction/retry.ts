import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { Exchange } from './exchange.ts'

type Handler = (this: ThisParameterType<RouteHandlerMethod>, request: FastifyRequest, reply: FastifyReply) => unknown

/** What the wrapper needs of the plugin. */
export interface RetryContext {
  exchangeOf: (request: FastifyRequest) => Exchange | undefined
  /** Runs code as belonging to the exchange's current scope. */
  inScope: <Result>(exchange: Exchange, work: () => Result) => Result
}

/**
 * Wraps a handler so that it runs again after a serialization failure, and so that work is settled when the client has gone
 * and nothing is left to reply to. A handler that answers by `reply.send()` stays such a handler.
 */
export function wrapHandler (handler: RouteHandlerMethod, context: RetryContext): RouteHandlerMethod {
  const run = handler as Handler
  return function retryingHandler (request, reply) {
    const exchange = context.exchangeOf(request)
    if (exchange === undefined) return run.call(this, request, reply)
    exchange.rememberReply()
    const attempt = (): unknown => run.call(this, request, reply)
    try {
      const result = attempt()
      return isThenable(result) ? settleAttempts(exchange, result, attempt, context) : result
    } catch (error) {
      return settleAttempts(exchange, Promise.reject(error), attempt, context)
    }
  } as RouteHandlerMethod
}

async function settleAttempts (exchange: Exchange, first: PromiseLike<unknown>, attempt: () => unknown, context: RetryContext): Promise<unknown> {
  let result: unknown = first
  for (;;) {
    try {
      const payload = await result
      if (payload === undefined) await settleForNobody(exchange)
      return payload
    } catch (error) {
      if (!exchange.mayRetry(error)) throw error
      await exchange.restart()
      const next = context.inScope(exchange, () => { try { return attempt() } catch (thrown) { return Promise.reject(thrown) } })
      // A handler that answers by itself: Fastify waits for the reply instead of sending nothing.
      if (next === undefined) return exchange.reply
      result = next
    }
  }
}

/** Runs the handler once more after a COMMIT that failed or an error that was sent, and sends what it returns as Fastify would. */
export async function rerun (exchange: Exchange, handler: RouteHandlerMethod, context: RetryContext): Promise<void> {
  const { request, reply } = exchange
  await exchange.restart()
  try {
    const result = context.inScope(exchange, () => (handler as Handler).call(request.server, request, reply))
    if (!isThenable(result)) {
      if (result !== undefined) reply.send(result)
      return
    }
    const payload = await result
    if (payload !== undefined || !(reply.sent || reply.raw.headersSent || reply.raw.destroyed)) reply.send(payload)
  } catch (error) {
    reply.send(error)
  }
}

/** Fastify sends nothing for a handler that returns nothing once the client has gone; with `clientAbort: 'continue'` its work still counts. */
async function settleForNobody (exchange: Exchange): Promise<void> {
  const { reply, scope } = exchange
  if (!reply.raw.destroyed || exchange.pass !== undefined) return
  await scope.settle(reply.statusCode < 400 ? 'commit' : 'rollback').catch((error: unknown) => {
    reply.log.error({ err: error }, 'the client had gone and the transaction could not be committed')
  })
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify'
import { createCommitHook } from './commit-hook.ts'
import { isClientGone } from './client-gone.ts'
import { TransactionUsageError } from '../errors.ts'
import { isThenable } from '../core/is-thenable.ts'
import { describeRouteName, findPlanner, setPlanner } from '../plugin/server-record.ts'
import { pinHook, type PinnedHook } from './pin-hook.ts'
import { describeRoute, type TransactionRoute } from './route.ts'
import type { TransactionRun } from './transactional-request.ts'

/** What the hooks need of the plugin. */
export interface RouteHooksContext {
  /** How this plugin instance is called in messages. */
  instance: string
  findRun: (request: FastifyRequest) => TransactionRun | undefined
  /** The run of a request; begins the first one. */
  begin: (planned: TransactionRoute, request: FastifyRequest, reply: FastifyReply) => TransactionRun
  /** Runs code as belonging to a run's transaction; undefined where no detector looks. */
  watch: (<Result>(run: TransactionRun, work: () => Result) => Result) | undefined
}

type Handler = (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) => unknown

/** Puts a route between the beginning of its handler and the hook that commits. */
export function addTransactionHooks (
  route: RouteOptions,
  planned: TransactionRoute,
  context: RouteHooksContext
): PinnedHook {
  const other = findPlanner(route)
  if (other !== undefined) {
    throw new TransactionUsageError(
      `${
        describeRouteName(route)
      } would have two transactions, of ${other} and of ${context.instance}: name one in config.transaction, or take its method out of methods`
    )
  }
  setPlanner(route, context.instance)
  if (planned.options.clientAbort === 'continue') route.handler = settleWithoutReply(route.handler, context)
  planned.handler = () => route.handler as Handler

  function enterHandler (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const run = context.begin(planned, request, reply)
    run.owner.enterHandler()
    done()
  }
  const { watch } = context
  const watchHooks = watch &&
    function watchQueries (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
      watch(context.begin(planned, request, reply), done)
    }
  const enter = pinHook(route, 'preHandler', { first: watchHooks, last: enterHandler })
  const commit = pinHook(route, 'onSend', { last: createCommitHook(context) })
  if (route.schema !== undefined) {
    route.schema = Object.assign({}, route.schema, { 'x-transaction': describeRoute(planned) })
  }
  return { wasRead: () => enter.wasRead() && commit.wasRead() }
}

/** Runs the handler of the current run, and sends what it returns as Fastify would. */
export async function runHandler (
  run: TransactionRun,
  handler: Handler,
  { watch }: Pick<RouteHooksContext, 'watch'>
): Promise<void> {
  const { request, reply } = run
  const call = () => handler.call(request.server, request, reply)
  try {
    const result = watch === undefined ? call() : watch(run, call)
    if (!isThenable(result)) {
      if (result !== undefined) reply.send(result)
      return
    }
    const payload = await result
    if (payload !== undefined || !(reply.sent || reply.raw.headersSent || isClientGone(request, reply))) {
      reply.send(payload)
    }
  } catch (error) {
    if (!(error instanceof Error)) markAsError(reply)
    reply.send(error)
  }
}

/** Fastify's own mark for what was thrown and is no Error: an error handler gets it as it is. */
function markAsError (reply: FastifyReply): void {
  const key = Object.getOwnPropertySymbols(reply).find(({ description }) => description === 'fastify.reply.isError')
  if (key !== undefined) Reflect.set(reply, key, true)
}

/**
 * Fastify sends nothing for a handler that returns nothing once the client has gone; with `clientAbort: 'continue'` its
 * work still counts.
 */
function settleWithoutReply (handler: RouteHandlerMethod, { findRun }: RouteHooksContext): RouteHandlerMethod {
  async function settle (request: FastifyRequest, reply: FastifyReply, result: PromiseLike<unknown>): Promise<unknown> {
    const payload = await result
    const run = findRun(request)
    if (
      payload !== undefined || run === undefined || !isClientGone(request, reply) || run.owner.settling !== undefined
    ) return payload
    await run.tx.settle(reply.statusCode < 400 ? 'commit' : 'rollback').catch((error: unknown) => {
      reply.log.error({ err: error }, 'the client had gone and the transaction could not be committed')
    })
    return payload
  }
  return function settlingHandler (request, reply) {
    const result = (handler as Handler).call(this, request, reply)
    return isThenable(result) ? settle(request, reply, result) : result
  }
}

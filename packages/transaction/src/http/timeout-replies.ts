import type { FastifyReply, FastifyRequest } from 'fastify'
import { isBodyIncomplete, isClientGone } from './client-gone.ts'
import { BodyTimeoutError } from '../errors.ts'
import type { FirstByteWait } from './request-context.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'
import { afterTime, type Wait } from '../core/with-timeout.ts'

/** A request that a timeout may have to be answered for. */
interface Waiting {
  readonly run: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly tx: LazyTransaction }
  readonly isAnswering: boolean
  readonly wait: FirstByteWait | undefined
  takeBack: () => void
}

/** The handler gets a turn to answer the timeout itself; one that hangs is answered for. */
export function answerTimeout (transactional: Waiting, error: Error): void {
  setImmediate(() => {
    if (transactional.wait !== undefined) return transactional.wait.fail(error)
    const { request, reply } = transactional.run
    if (transactional.isAnswering || reply.sent || reply.raw.headersSent || isClientGone(request, reply)) return
    transactional.takeBack()
    reply.send(error)
  })
}

/** A streamed reply stands still: once its head has gone, only a broken connection can say so. */
export function answerStreamIdle (transactional: Waiting, error: Error): void {
  const { raw } = transactional.run.reply
  if (raw.headersSent) raw.destroy(error)
  else answerTimeout(transactional, error)
}

/** Fastify's own timer has ended the handler; it knows only the reply of the first run. */
export function answerHandlerTimeout (reply: FastifyReply, error: Error): void {
  if (reply.raw.headersSent) reply.raw.destroy(error)
  else reply.send(error)
}

/**
 * A client that sends its body slowly must not hold a connection that a hook has opened.
 *
 * @param time milliseconds; 0: no bound
 * @param isWaiting whether the handler still waits for the body
 */
export function boundBody (
  transactional: Waiting,
  time: number,
  isWaiting: () => boolean
): Wait | undefined {
  const { request, tx } = transactional.run
  if (time === 0 || !isBodyIncomplete(request.raw)) return undefined
  return afterTime(time, () => {
    if (!isWaiting() || !isBodyIncomplete(request.raw)) return
    const error = new BodyTimeoutError(tx.label, time)
    tx.abort(error).then(() => {
      answerTimeout(transactional, error)
    }, () => {})
  }, { unref: true })
}

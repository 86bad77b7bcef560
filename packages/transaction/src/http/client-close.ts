import type { FastifyReply, FastifyRequest } from 'fastify'
import { isClientGone } from './client-gone.ts'
import { ClientGoneError, TransactionUsageError } from '../errors.ts'
import { logStreamOutcome, type Ended } from './log.ts'
import type { FirstByteWait } from './request-context.ts'
import type { TransactionRoute } from './route.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'
import { secondTransaction } from '../core/outside-queries.ts'

/** A request whose client may go. */
interface Closable extends Ended {
  readonly run: { readonly reply: FastifyReply; readonly tx: LazyTransaction }
  readonly route: TransactionRoute
  readonly wait: FirstByteWait | undefined
  readonly answer: { payload: unknown } | undefined
}

/** The client has gone, or the reply is complete: settles what is still open. */
export function settleOnClose (transactional: Closable): void {
  const { tx, reply } = transactional.run
  const { route, wait } = transactional
  if (route.options.clientAbort === 'continue' && !isHijacked(transactional)) return wait?.proceed()
  wait?.stop()
  if (tx.state === 'committed' || tx.state === 'rolled back') return
  // A streamed reply that was read to its end is the one case where the transaction outlives the commit hook.
  const isHeld = transactional.answer !== undefined && tx.settled === undefined && tx.isOpen
  const settlement = isHeld && reply.raw.writableFinished && tx.statements.running === undefined
    ? tx.settle('commit')
    : tx.abort(new ClientGoneError(tx.label))
  settlement.then(() => {
    if (isHeld) logStreamOutcome(transactional)
  }, (error: unknown) => {
    if (isHeld) logStreamOutcome(transactional, error)
  })
}

/** The reply was hijacked before the first statement: it decides about nothing, and nothing may begin any more. */
function isHijacked ({ run: { reply, tx }, answer }: Closable): boolean {
  return reply.sent && tx.state === 'idle' && answer === undefined
}

/**
 * A connection that was destroyed in this very tick has emitted no 'close' yet, and no client could receive the reply
 * any more.
 */
export function abortIfGone ({ route, tx, reply }: Pick<Closable, 'route' | 'tx' | 'reply'>): void {
  if (route.options.clientAbort === 'continue' || !tx.isOpen || !isClientGone(reply.request, reply)) return
  void tx.abort(new ClientGoneError(tx.label))
}

/** Why no transaction of a request may begin any more; undefined while one may. */
export function findBeginRefusal (
  { route, tx }: Pick<Closable, 'route' | 'tx'>,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply }
): Error | undefined {
  const { label } = tx
  if (reply.raw.headersSent) {
    return new TransactionUsageError(`the reply of ${label} has begun; a transaction could no longer decide about it`)
  }
  if (reply.sent) {
    return new TransactionUsageError(
      `the reply of ${label} was hijacked; a transaction could no longer decide about it. Send the first statement before reply.hijack() and end the transaction with commit(), or use app.transaction`
    )
  }
  if (route.options.clientAbort !== 'continue' && isClientGone(request, reply)) return new ClientGoneError(label)
  return secondTransaction(tx)
}

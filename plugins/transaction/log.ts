import type { FastifyReply } from 'fastify'
import type { Scope } from './scope.ts'

/** What is known of an exchange whose transaction has ended. */
interface Ended {
  readonly scope: Scope
  readonly reply: FastifyReply
  isLogged: boolean
}

/** Puts outcome, attempts, statements and time of the transaction on the request's log lines. */
export function logOutcome (exchange: Ended): void {
  const { scope, reply } = exchange
  if (exchange.isLogged || scope.duration === 0 || reply.log.level === 'silent') return
  exchange.isLogged = true
  reply.log = reply.log.child({ transaction: summaryOf(exchange) })
}

/** The transaction of a streamed reply ends after the request's own log line. */
export function logStreamOutcome (exchange: Ended, error?: unknown): void {
  const transaction = summaryOf(exchange)
  if (error === undefined) exchange.reply.log.info({ transaction }, 'the transaction of a streamed reply has ended')
  else exchange.reply.log.error({ transaction, err: error }, 'the transaction of a streamed reply could not be committed')
}

/** Names the statement that made a transaction fail behind the handler's back, and no value: the store's own message may quote some. */
export function logFailure ({ scope, reply }: Ended): void {
  const { statement, error } = scope.transaction?.firstFailure ?? {}
  const { code, constraint, table } = Object(error) as Record<string, unknown>
  reply.log.error({ statement, code, constraint, table }, 'the handler went on after a failed statement; nothing was committed')
}

function summaryOf ({ scope }: Ended): Record<string, unknown> {
  return {
    store: scope.driver.store,
    outcome: scope.state,
    attempts: scope.attempt,
    statements: scope.statements,
    milliseconds: Math.round(scope.duration * 100) / 100
  }
}

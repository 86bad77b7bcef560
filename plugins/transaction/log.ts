import type { Exchange } from './exchange.ts'

/** Puts outcome, attempts, statements and time of the transaction on the request's log lines. */
export function logOutcome (exchange: Exchange): void {
  const { scope, reply } = exchange
  if (exchange.isLogged || scope.statements === 0 || reply.log.level === 'silent') return
  exchange.isLogged = true
  reply.log = reply.log.child({
    transaction: {
      store: scope.driver.store,
      outcome: scope.state,
      attempts: scope.attempt,
      statements: scope.statements,
      milliseconds: Math.round(scope.duration * 100) / 100
    }
  })
}

import type { FastifyBaseLogger } from 'fastify'

/** A transaction whose first statement is about to be sent. */
export interface BegunTransaction {
  store: 'sql' | 'mongo'
  /** Route and request id, or the name given to `app.transaction`. Not for metric labels: it differs for each request. */
  label: string
  /** Which run of the handler this is, from 1. */
  attempt: number
}

/** A transaction that has ended. */
export interface TransactionSummary extends BegunTransaction {
  /** `failed`: could not begin. `lost`: its connection broke. `unknown`: COMMIT was not answered. */
  outcome: 'committed' | 'rolled back' | 'failed' | 'lost' | 'unknown'
  /** Statements sent, BEGIN and COMMIT not counted. */
  statements: number
  /** From the first statement to the end, the wait for a connection included. */
  milliseconds: number
}

/** What an observer does with one transaction. */
export interface Observation {
  /** Runs opening, each statement and the settlement, for example in a tracing context. Must call `work` and return its result. */
  around?: <Result>(work: () => Result) => Result
  onEnd: (summary: TransactionSummary) => void
}

/** Told of each transaction that sends something; each attempt of a retried handler is one. */
export type Observe = (begun: BegunTransaction) => Observation | undefined

/** An observer whose throws are logged and harm no transaction. */
export function guardObserver (observe: Observe, log: FastifyBaseLogger): Observe {
  const attempt = <Result>(work: () => Result): Result | undefined => {
    try {
      return work()
    } catch (error) {
      log.error({ err: error }, 'an observer of transactions failed')
      return undefined
    }
  }
  return (begun) => {
    const observation = attempt(() => observe(begun))
    return observation && { ...observation, onEnd: (summary) => { attempt(() => { observation.onEnd(summary) }) } }
  }
}

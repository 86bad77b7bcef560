import type { FastifyBaseLogger } from 'fastify'

/** A transaction whose first statement is about to be sent. */
export interface BegunTransaction {
  store: 'sql' | 'mongo'
  /**
   * Route and request id, or the name given to `app.transaction`. Not for metric labels: it differs for each request.
   */
  label: string
  /** Which run of the handler this is, from 1. */
  attempt: number
}

/** A transaction that has ended. Logs, metrics and spans say the same words. */
export interface TransactionSummary extends BegunTransaction {
  /** `failed`: could not begin. `lost`: its connection broke. `unknown`: COMMIT was not answered. */
  outcome: 'committed' | 'rolled_back' | 'failed' | 'lost' | 'unknown'
  /** Statements sent, BEGIN and COMMIT not counted. */
  statements: number
  /** From the first statement to the end, the wait for a connection included. */
  milliseconds: number
}

/** What an observer does with one transaction. */
export interface Observation {
  /**
   * Runs opening, each statement and the settlement, for example in a tracing context. Must call `work` and return its
   * result.
   */
  around?: <Result>(work: () => Result) => Result
  onEnd: (summary: TransactionSummary) => void
}

/** Called with each transaction that sends something; each attempt of a retried handler is one. */
export type Observe = (begun: BegunTransaction) => Observation | undefined

/**
 * An observer that can harm no transaction: what it throws, and an `around` that does not hand back what `work`
 * returned, is logged once; the work runs exactly once whatever it does, and its own result counts.
 */
export function guardObserver (observe: Observe, log: FastifyBaseLogger): Observe {
  let isReported = false
  const report = (error: unknown): void => {
    if (!isReported) log.error({ err: error }, 'an observer of transactions failed')
    isReported = true
  }
  const attempt = <Result>(work: () => Result): Result | undefined => {
    try {
      return work()
    } catch (error) {
      report(error)
      return undefined
    }
  }
  return (begun) => {
    const observation = attempt(() => observe(begun))
    if (observation === undefined) return undefined
    const { around } = observation
    return {
      ...(around === undefined
        ? {}
        : { around: guardAround(<Result>(work: () => Result) => around.call(observation, work) as Result, report) }),
      onEnd: (summary) => {
        attempt(() => {
          observation.onEnd(summary)
        })
      }
    }
  }
}

type Around = NonNullable<Observation['around']>

function guardAround (around: Around, report: (error: unknown) => void): Around {
  return (work) => {
    const once = onlyOnce(work)
    try {
      const told = around(once.run)
      const mistake = !once.hasRun
        ? 'did not call the work it was given'
        : told !== once.run()
        ? 'did not return what the work returned'
        : undefined
      if (mistake !== undefined) {
        report(new Error(`around() ${mistake}`))
        // A promise of its own fails with the work, and nobody listens to it.
        Promise.resolve(told).catch(() => {})
      }
    } catch (error) {
      if (!once.hasThrown(error)) report(error)
    }
    return once.run()
  }
}

/** The same outcome for every call, of which only the first one runs the work. */
function onlyOnce<Result> (work: () => Result) {
  let outcome: { result: Result } | { error: unknown } | undefined
  function attempt (): { result: Result } | { error: unknown } {
    try {
      return { result: work() }
    } catch (error) {
      return { error }
    }
  }
  return {
    get hasRun () {
      return outcome !== undefined
    },
    hasThrown: (error: unknown) => outcome !== undefined && 'error' in outcome && outcome.error === error,
    run (): Result {
      outcome ??= attempt()
      if ('error' in outcome) throw outcome.error
      return outcome.result
    }
  }
}

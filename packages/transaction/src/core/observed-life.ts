import type { BegunTransaction, Observation, Observe, TransactionSummary } from './observe.ts'

/** How long a transaction takes, from its first statement to its end, and what its observer is told about it. */
export class ObservedLife {
  #begunAt = 0
  #endedAt = 0
  #begun: BegunTransaction | undefined
  #observation: Observation | undefined

  get hasEnded (): boolean {
    return this.#endedAt !== 0
  }

  /** Milliseconds between the first statement and the end; 0 when none was sent. */
  get duration (): number {
    return this.#begunAt === 0 ? 0 : (this.#endedAt || performance.now()) - this.#begunAt
  }

  begin (observe: Observe | undefined, begun: BegunTransaction): void {
    this.#begunAt = performance.now()
    this.#begun = begun
    this.#observation = observe?.(begun)
  }

  /** Runs a piece of the transaction's work where the observer wants it to run, as in a tracing context. */
  around<Result> (work: () => Result): Result {
    return this.#observation?.around === undefined ? work() : this.#observation.around(work)
  }

  end ({ outcome, statements }: Pick<TransactionSummary, 'outcome' | 'statements'>): void {
    this.#endedAt = performance.now()
    if (this.#observation === undefined || this.#begun === undefined) return
    // Field by field: a spread would cost each transaction microseconds.
    const { store, label, attempt } = this.#begun
    this.#observation.onEnd({ store, label, attempt, outcome, statements, milliseconds: this.duration })
  }
}

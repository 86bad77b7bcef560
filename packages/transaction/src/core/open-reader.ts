import type { Submittable } from 'pg'
import { TransactionClosedError, TransactionUsageError } from '../errors.ts'
import type { LazyTransaction } from './lazy-transaction.ts'
import { isBeingClosed } from './query-arguments.ts'
import type { SqlTransaction } from './sql.ts'

/** The cursor or query stream of a transaction, which has one at most. */
export class OpenReader {
  readonly #tx: LazyTransaction<SqlTransaction>
  /** Open, or about to be. */
  #query: Submittable | undefined

  constructor (tx: LazyTransaction<SqlTransaction>) {
    this.#tx = tx
  }

  /** Why no statement may be sent now; undefined where one may. */
  get refusal (): TransactionUsageError | undefined {
    if (this.#query === undefined || isBeingClosed(this.#query)) return undefined
    return new TransactionUsageError(
      'a cursor or query stream of this transaction is still open, and a statement could only wait for it; read it to its end or close it first'
    )
  }

  /** Hands a cursor or query stream to the connection; resolves to it when its turn has come. */
  open (query: Submittable): Promise<Submittable> {
    this.#query = query
    return new Promise((resolve, reject) => {
      this.#tx.run(async (transaction) => {
        await this.#submit(transaction, query, resolve)
      }).catch((error: unknown) => {
        this.#query = undefined
        reject(error as Error)
      })
    })
  }

  /** Resolves when the connection is free again. */
  #submit (
    transaction: SqlTransaction,
    query: Submittable,
    onSubmitted: (query: Submittable) => void
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (transaction.submit === undefined) return reject(new TransactionUsageError('this SQL store has no cursors'))
      // The reply that came meanwhile does not need it any more, and COMMIT would wait for it.
      if (this.#tx.settled !== undefined) {
        return reject(new TransactionClosedError(this.#tx.label, 'being settled'))
      }
      transaction.submit(query, () => {
        this.#query = undefined
        resolve()
      })
      onSubmitted(query)
    })
  }
}

import type { Driver, OpenContext } from '../core/driver.ts'
import type { MongoDriver } from '../mongo/driver.ts'
import type { TransactionOptions } from '../options/route-options.ts'
import type { PostgresDriver } from '../postgres/driver.ts'
import type { Coordinator } from './coordinator.ts'
import { TwoPhaseTransaction } from './transaction.ts'

interface TwoPhasePlan {
  sql: ReturnType<PostgresDriver['plan']>
  mongo: ReturnType<MongoDriver['plan']>
}

interface Parts {
  sql: PostgresDriver
  mongo: MongoDriver
  coordinator: Coordinator
}

/** Both stores as one transaction driver. It counts as the SQL store's, whose options and handle it has. */
export class TwoPhaseDriver implements Driver<TwoPhasePlan, TwoPhaseTransaction> {
  readonly store = 'sql'
  readonly #parts: Parts

  constructor (parts: Parts) {
    this.#parts = parts
  }

  get pool (): object {
    return this.#parts.sql.pool
  }

  get client (): object {
    return this.#parts.mongo.client
  }

  plan (options: TransactionOptions): TwoPhasePlan {
    return { sql: this.#parts.sql.plan(options), mongo: this.#parts.mongo.plan(options) }
  }

  /** Takes no connection yet: each store is begun by its first statement. */
  async open (plan: TwoPhasePlan, context: OpenContext): Promise<TwoPhaseTransaction> {
    const { sql, mongo, coordinator } = this.#parts
    await coordinator.ready(context.label)
    return new TwoPhaseTransaction({
      openSql: (half) => sql.open(plan.sql, half),
      openMongo: (half) => mongo.open(plan.mongo, half),
      commitBoth: (halves, { label }) => coordinator.commit(halves, label)
    }, context)
  }

  isRetriable = (error: unknown): boolean => this.#parts.sql.isRetriable(error) || this.#parts.mongo.isRetriable(error)
}

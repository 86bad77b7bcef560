import type { QueryResult, QueryResultRow } from 'pg'
import type { OpenContext, OpenTransaction } from '../core/driver.ts'
import type { SqlTransaction, Statement } from '../core/sql.ts'
import { TransactionAbortedError, TransactionClosedError } from '../errors.ts'
import type { MongoOperations } from '../mongo/facade.ts'
import type { MongoTransaction, OperationOptions } from '../mongo/driver.ts'
import type { PostgresTransaction } from '../postgres/transaction.ts'
import { statementText } from '../sql-text/statement-text.ts'
import { findTwoPhaseRefusal } from './refusals.ts'

/** How the halves of a transaction begin, and how they commit together. */
export interface HalvesDriver {
  openSql: (context: OpenContext) => Promise<PostgresTransaction>
  openMongo: (context: OpenContext) => Promise<MongoTransaction>
  commitBoth: (halves: Halves, context: OpenContext) => Promise<void>
}

export interface Halves {
  sql: PostgresTransaction
  mongo: MongoTransaction
}

/**
 * A transaction in both stores, each begun by its own first statement. Where one store was not written, the other's
 * ordinary commit decides.
 */
export class TwoPhaseTransaction implements SqlTransaction, MongoOperations {
  readonly written = new Set<string>()
  readonly #driver: HalvesDriver
  readonly #context: OpenContext
  #sql: PostgresTransaction | undefined
  #mongo: MongoTransaction | undefined
  #failure: unknown
  /** The store that works on the running statement. */
  #busy: 'sql' | 'mongo' | undefined
  #isEnding = false

  constructor (driver: HalvesDriver, context: OpenContext) {
    this.#driver = driver
    this.#context = { ...context, isAborted: () => this.#isEnding || context.isAborted() }
  }

  get firstFailure (): SqlTransaction['firstFailure'] {
    return this.#sql?.firstFailure ?? this.#mongo?.firstFailure
  }

  get operationTime (): MongoTransaction['operationTime'] {
    return this.#mongo?.operationTime
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    const refusal = findTwoPhaseRefusal(statementText(statement))
    if (refusal !== undefined) throw refusal
    return await this.#workIn('sql', async () => {
      this.#sql ??= await this.#open(this.#driver.openSql)
      return await this.#sql.query<Row>(statement, values)
    })
  }

  async operate<Result> (name: string, operation: (options: OperationOptions) => Promise<Result>): Promise<Result> {
    return await this.#workIn('mongo', async () => {
      this.#mongo ??= await this.#open(this.#driver.openMongo)
      return await this.#mongo.operate(name, operation)
    })
  }

  async commit (): Promise<void> {
    const [sql, mongo] = [this.#sql, this.#mongo]
    const failure = this.#failure ?? this.#mongoFailure()
    if (failure !== undefined) {
      await this.rollback(undefined)
      throw failure
    }
    if (sql === undefined) return await mongo?.commit()
    if (mongo === undefined) return await sql.commit()
    if (this.written.size > 0) return await this.#driver.commitBoth({ sql, mongo }, this.#context)
    try {
      // What was read counts only when a majority has it, which this commit makes sure.
      await mongo.commit()
    } catch (error) {
      await sql.rollback(undefined)
      throw error
    }
    await sql.commit()
  }

  async rollback (running: Promise<unknown> | undefined): Promise<void> {
    this.#isEnding = true
    const runningIn = (store: 'sql' | 'mongo') => this.#busy === store ? running : undefined
    await Promise.all([this.#sql?.rollback(runningIn('sql')), this.#mongo?.rollback(runningIn('mongo'))])
  }

  async #workIn<Result> (store: 'sql' | 'mongo', work: () => Promise<Result>): Promise<Result> {
    this.#busy = store
    try {
      return await work()
    } finally {
      this.#busy = undefined
    }
  }

  /** Begins a half. One that has begun when all was given up goes straight back, and takes no statement. */
  async #open<Half extends OpenTransaction> (begin: (context: OpenContext) => Promise<Half>): Promise<Half> {
    try {
      const half = await begin(this.#context)
      if (!this.#isEnding) return half
      await half.rollback(undefined)
      throw new TransactionClosedError(this.#context.label, 'rolled back')
    } catch (error) {
      // A handler may go on without the half that could not begin; its commit must not.
      this.#failure ??= error
      throw error
    }
  }

  /** A bare commit would be answered "transient", and a plain mistake would be run again. */
  #mongoFailure (): TransactionAbortedError | undefined {
    const failed = this.#mongo?.firstFailure
    return failed && new TransactionAbortedError(this.#context.label, failed.statement, failed.error)
  }
}

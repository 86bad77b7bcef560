import type { ClientSession } from 'mongodb'
import type { QueryResult, QueryResultRow, Submittable } from 'pg'
import { callbackRefusal, findCallback, refuseCallback } from './core/callbacks.ts'
import { OpenReader } from './core/open-reader.ts'
import { assertFunction, assertNoCallback, findQueryMistake, isSubmittable } from './core/query-arguments.ts'
import type { Handle, Handles } from './handles.ts'
import type { LazyTransaction } from './core/lazy-transaction.ts'
import type { State } from './core/state.ts'
import type { SqlClient, SqlTransaction, Statement } from './core/sql.ts'
import { readerText, statementText, transactionControlIn } from './sql-text/statement-text.ts'
import { quiet, type FollowOptions } from './core/given-promises.ts'
import type { TransactionalDatabase } from './mongo/facade.ts'
import { bindDatabase, readOnlyDatabase, type MongoOperations } from './mongo/facade.ts'
import { TransactionClosedError, TransactionUsageError } from './errors.ts'
import type { ReplyCallback } from './http/before-reply.ts'
import type { CrossStore } from './options/route-options.ts'

/** `request.transaction`, and what `app.transaction` hands to its function. */
export class Transaction {
  readonly #tx: LazyTransaction
  readonly #handles: Handles
  readonly #isStream: boolean
  readonly #isCrossStore: boolean
  readonly #isSingleStatement: boolean
  readonly #replyCallbacks: ReplyCallback[] = []
  #db: Handle | undefined
  readonly #reader: OpenReader
  #mongo: TransactionalDatabase | undefined

  /** Made by the plugin, once per attempt. */
  constructor (
    tx: LazyTransaction,
    handles: Handles,
    { options = {}, isSingleStatement = false }: {
      options?: { stream?: boolean; crossStore?: CrossStore }
      isSingleStatement?: boolean
    } = {}
  ) {
    this.#tx = tx
    this.#handles = handles
    this.#reader = new OpenReader(tx as LazyTransaction<SqlTransaction>)
    this.#isStream = options.stream === true
    this.#isCrossStore = options.crossStore !== undefined
    this.#isSingleStatement = isSingleStatement
  }

  /** The store this transaction lives in; `sql` for `crossStore: 'two-phase'`, which lives in both. */
  get store (): 'sql' | 'mongo' {
    return this.#tx.driver.store
  }

  /** idle, opening, open, committing, committed, rolling back, rolled back, failed, lost or unknown. */
  get state (): State {
    return this.#tx.state
  }

  /** Which run of the handler this is, from 1; more than 1 only with `retries`. */
  get attempt (): number {
    return this.#tx.attempt
  }

  /** The end that has been asked for, by `commit()`, `rollback()`, the deadline or the reply; undefined before. Rejects where a commit fails. */
  get settled (): Promise<void> | undefined {
    return this.#tx.settled
  }

  /** True once the store has confirmed a COMMIT with at least one statement in it. */
  get hasCommitted (): boolean {
    return this.#tx.state === 'committed' && this.#tx.statements.sent > 0
  }

  /** True after `setRollbackOnly()`. */
  get isRollbackOnly (): boolean {
    return this.#tx.rollbackOnly
  }

  /** MongoDB: the cluster time of the commit, undefined before it. For causally consistent reads elsewhere. */
  get operationTime (): ClientSession['operationTime'] {
    return this.#tx.transaction?.operationTime
  }

  /** MongoDB: names of the collections this transaction has written; empty in SQL. */
  get writtenCollections (): string[] {
    return [...this.#tx.transaction?.written ?? []]
  }

  /** The app's own handle (Drizzle) on this transaction. Throws a sentence when the transaction lives in MongoDB. */
  get db (): Handle {
    if (this.store !== 'sql') {
      throw new TransactionUsageError(
        `the transaction of ${this.#tx.label} lives in MongoDB; read SQL through app.db, or declare store: 'sql'`
      )
    }
    const { db } = this.#handles
    if (db === undefined) {
      throw new TransactionUsageError(
        'the plugin was registered without the db option, so there is no handle to give; use transaction.query()'
      )
    }
    return this.#db ??= db.bind(this.#client) as Handle
  }

  /** The collections of this MongoDB transaction. Throws a sentence when the transaction lives in SQL. */
  get mongo (): TransactionalDatabase {
    const { mongo } = this.#handles
    if (mongo === undefined) throw new TransactionUsageError('the plugin was registered without the mongo option')
    if (this.#tx.driver.client !== undefined) {
      return this.#mongo ??= bindDatabase(mongo, this.#tx as LazyTransaction<MongoOperations>)
    }
    if (this.#isCrossStore) return this.#mongo ??= readOnlyDatabase(mongo)
    throw new TransactionUsageError(
      `the transaction of ${this.#tx.label} lives in SQL; read MongoDB through app.mongo.db, declare store: 'mongo', or crossStore where both must change`
    )
  }

  /**
   * Runs one statement inside the transaction; the first one begins it.
   * Statements are sent one at a time in the order of the calls. Transaction control is refused, savepoints are not.
   * A cursor or query stream is taken where the route declares `stream`; it resolves to that stream.
   */
  query<Row extends QueryResultRow = QueryResultRow> (
    statement: Parameters<SqlClient['query']>[0],
    values?: unknown[]
  ): Promise<QueryResult<Row>>
  query<Query extends Submittable> (query: Query): Promise<Query>
  query (...args: unknown[]): Promise<unknown> {
    const [statement, values] = args as [Parameters<SqlClient['query']>[0] | Submittable, unknown[] | undefined]
    const mistake = this.store === 'sql'
      ? findQueryMistake(args)
      : `the transaction of ${this.#tx.label} lives in MongoDB and takes no SQL`
    if (mistake !== undefined) return this.#refuse(args, new TransactionUsageError(mistake))
    return isSubmittable(statement) ? this.#submit(statement) : this.#query(statement, values)
  }

  /**
   * Follows a promise of your own that belongs to this transaction, such as a library's that writes in it: it ends no process
   * when nobody listens, and when it fails then, the transaction does.
   */
  follow<Result> (work: Promise<Result>, options?: FollowOptions): Promise<Result> {
    if (typeof options === 'function') return this.#refuse([options], callbackRefusal('follow'))
    return this.#tx.follow(work, options)
  }

  /** Runs `callback` after the COMMIT, in the order of registration; its errors are logged, never answered. Not run after a rollback. */
  afterCommit (callback: () => unknown): void
  afterCommit (callback: () => unknown, ...others: unknown[]): void {
    assertFunction('afterCommit', callback)
    assertNoCallback('afterCommit', others)
    this.#tx.afterCommit(callback)
  }

  /**
   * Runs `callback` after the COMMIT and before the first byte of the reply, which waits for it: for what only a COMMIT makes
   * known. It may return a `status` and `headers` for the reply. Its errors are logged, never answered. Not run after a rollback,
   * nor outside a request.
   */
  beforeReply (callback: ReplyCallback): void
  beforeReply (callback: ReplyCallback, ...others: unknown[]): void {
    assertFunction('beforeReply', callback)
    assertNoCallback('beforeReply', others)
    this.#replyCallbacks.push(callback)
  }

  /** What `beforeReply` was given; for the commit hook. */
  get replyCallbacks (): readonly ReplyCallback[] {
    return this.#replyCallbacks
  }

  /** The reply keeps its status, and everything is rolled back: for dry runs. Refused with `'statement'`, as the two below. */
  setRollbackOnly (): void
  setRollbackOnly (...args: unknown[]): void {
    assertNoCallback('setRollbackOnly', args)
    const refusal = this.#endRefusal('setRollbackOnly')
    if (refusal !== undefined) throw refusal
    this.#tx.rollbackOnly = true
  }

  /** Commits now, before the reply. What fails afterwards can no longer be taken back. One that nobody awaits and that fails makes the reply fail. */
  commit (): Promise<void>
  commit (...args: unknown[]): Promise<void> {
    const refusal = this.#endRefusal('commit', args)
    return refusal === undefined ? quiet(this.#commit()) : this.#refuse(args, refusal)
  }

  /** Rolls back now; the reply keeps its status. */
  rollback (): Promise<void>
  rollback (...args: unknown[]): Promise<void> {
    const refusal = this.#endRefusal('rollback', args)
    return refusal === undefined ? quiet(this.#tx.settle('rollback')) : this.#refuse(args, refusal)
  }

  /** Why the program may not end the transaction by a method, which could not do what it promises; undefined where it may. */
  #endRefusal (method: string, args: unknown[] = []): TransactionUsageError | undefined {
    if (findCallback(args) !== undefined) return callbackRefusal(method)
    if (!this.#isSingleStatement) return undefined
    return new TransactionUsageError(
      `${method}() of ${this.#tx.label}: transaction: 'statement' commits its one statement by itself, and nothing can be taken back; declare transaction: true`
    )
  }

  /** Refuses a call; a callback among its arguments gets the error too. */
  #refuse (args: unknown[], error: Error): Promise<never> {
    const follow = (work: Promise<never>) => this.#tx.follow(work)
    const callback = findCallback(args)
    return callback === undefined ? follow(Promise.reject(error)) : refuseCallback(callback, error, follow)
  }

  async #commit (): Promise<void> {
    const tx = this.#tx
    await tx.settle('commit')
    if (tx.abortReason !== undefined) throw tx.abortReason
    // Something else had settled it before.
    if (tx.state !== 'committed' && !tx.rollbackOnly) throw new TransactionClosedError(tx.label, tx.state)
  }

  get #client (): SqlClient {
    return {
      query: <Row extends QueryResultRow>(statement: Statement, values?: unknown[], ...others: unknown[]) => {
        const callback = findCallback([statement, values, ...others])
        return callback === undefined
          ? this.#query<Row>(statement, values)
          : this.#refuse([callback], callbackRefusal('query'))
      },
      follow: (work, options) => this.follow(work, options)
    }
  }

  #query<Row extends QueryResultRow> (statement: Statement, values: unknown[] | undefined): Promise<QueryResult<Row>> {
    const refusal = this.#refusal(statementText(statement))
    if (refusal !== undefined) return this.follow(Promise.reject(refusal))
    return (this.#tx as LazyTransaction<SqlTransaction>).run((transaction) => transaction.query<Row>(statement, values))
  }

  /** Why a text may not be sent now. */
  #refusal (text: string): TransactionUsageError | undefined {
    return this.#reader.refusal ?? transactionControlIn(text)
  }

  #submit (query: Submittable): Promise<Submittable> {
    const refusal = this.#isStream
      ? this.#refusal(readerText(query))
      : new TransactionUsageError(
        "cursors and query streams need a route with stream: true and accessMode: 'read only'"
      )
    return this.follow(refusal === undefined ? this.#reader.open(query) : Promise.reject(refusal))
  }
}

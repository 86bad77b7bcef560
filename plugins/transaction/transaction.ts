import type { ClientSession, Db } from 'mongodb'
import type { QueryResult, QueryResultRow, Submittable } from 'pg'
import type { State, Scope } from './scope.ts'
import type { SqlClient, SqlHandles, SqlTransaction } from './sql.ts'
import type { TransactionalDatabase } from './mongo-facade.ts'
import { bindDatabase, readOnlyDatabase } from './mongo-facade.ts'
import { MongoTransaction } from './mongo.ts'
import { TransactionClosedError, TransactionUsageError } from './errors.ts'
import type { ReplyCallback } from './before-reply.ts'
import type { OpenTransaction } from './driver.ts'

/**
 * What the app's handles are. Fill it from your own code:
 * `declare module '…/transaction' { interface TransactionTypes { db: MyDrizzleDatabase } }`
 */
export interface TransactionTypes {}

/** The type of `request.db`: what the app declared, `unknown` until it does. */
export type Handle = TransactionTypes extends { db: infer Declared } ? Declared : unknown

/** What the handles of both stores are made from. */
export interface Handles {
  db: SqlHandles<Handle> | undefined
  mongo: Db | undefined
}

/** `request.transaction`, and what `app.transaction` hands to its function. */
export class Transaction {
  readonly #scope: Scope
  readonly #handles: Handles
  readonly #isStream: boolean
  readonly #agrees: boolean
  readonly #replyCallbacks: ReplyCallback[] = []
  #db: Handle | undefined
  #mongo: TransactionalDatabase | undefined

  /** Made by the plugin, once per attempt. */
  constructor (scope: Scope, handles: Handles, options: { stream?: boolean | undefined, agree?: 'outbox' | undefined } = {}) {
    this.#scope = scope
    this.#handles = handles
    this.#isStream = options.stream === true
    this.#agrees = options.agree !== undefined
  }

  /** The store this transaction lives in. */
  get store (): 'sql' | 'mongo' { return this.#scope.driver.store }

  /** idle, opening, open, committing, committed, rolling back, rolled back, failed, lost or unknown. */
  get state (): State { return this.#scope.state }

  /** Which run of the handler this is, from 1; more than 1 only with `retries`. */
  get attempt (): number { return this.#scope.attempt }

  /** The end that has been asked for, by `commit()`, `rollback()`, the deadline or the reply; undefined before. Rejects where a commit fails. */
  get settled (): Promise<void> | undefined { return this.#scope.settled }

  /** True once the store has confirmed a COMMIT with at least one statement in it. */
  get hasCommitted (): boolean { return this.#scope.state === 'committed' && this.#scope.statements > 0 }

  /** True after `setRollbackOnly()`. */
  get isRollbackOnly (): boolean { return this.#scope.rollbackOnly }

  /** MongoDB: the cluster time of the commit, undefined before it. For causally consistent reads elsewhere. */
  get operationTime (): ClientSession['operationTime'] {
    const { transaction } = this.#scope
    return transaction instanceof MongoTransaction ? transaction.operationTime : undefined
  }

  /** The app's own handle (Drizzle) on this transaction. Throws a sentence when the transaction lives in MongoDB. */
  get db (): Handle {
    if (this.store !== 'sql') throw new TransactionUsageError(`the transaction of ${this.#scope.label} lives in MongoDB; read SQL through app.db, or declare store: 'sql'`)
    const { db } = this.#handles
    if (db === undefined) throw new TransactionUsageError('the plugin was registered without the db option, so there is no handle to give; use transaction.query()')
    return this.#db ??= db.bind(this.#client)
  }

  /** The collections of this MongoDB transaction. Throws a sentence when the transaction lives in SQL. */
  get mongo (): TransactionalDatabase {
    const { mongo } = this.#handles
    if (mongo === undefined) throw new TransactionUsageError('the plugin was registered without the mongo option')
    if (this.store === 'mongo') return this.#mongo ??= bindDatabase(mongo, this.#scope as Scope<MongoTransaction>)
    if (this.#agrees) return this.#mongo ??= readOnlyDatabase(mongo)
    throw new TransactionUsageError(`the transaction of ${this.#scope.label} lives in SQL; read MongoDB through app.mongo.db, declare store: 'mongo', or agree: 'outbox' where both must change`)
  }

  /**
   * Runs one statement inside the transaction; the first one begins it.
   * Statements are sent one at a time in the order of the calls. Transaction control is refused, savepoints are not.
   * A cursor or query stream is taken where the route declares `stream`; it resolves to that stream.
   */
  query<Row extends QueryResultRow = QueryResultRow> (statement: Parameters<SqlClient['query']>[0], values?: unknown[]): Promise<QueryResult<Row>>
  query<Query extends Submittable> (query: Query): Promise<Query>
  query (statement: Parameters<SqlClient['query']>[0] | Submittable, values?: unknown[]): Promise<unknown> {
    if (this.store !== 'sql') return Promise.reject(new TransactionUsageError(`the transaction of ${this.#scope.label} lives in MongoDB and takes no SQL`))
    return isSubmittable(statement) ? this.#submit(statement) : this.#client.query(statement, values)
  }

  /** Runs `callback` after the COMMIT, in the order of registration; its errors are logged, never answered. Not run after a rollback. */
  afterCommit (callback: () => unknown): void {
    this.#scope.afterCommit(callback)
  }

  /**
   * Runs `callback` after the COMMIT and before the first byte of the reply, which waits for it: for what only a COMMIT makes
   * known. It may return a `status` and `headers` for the reply. Its errors are logged, never answered. Not run after a rollback,
   * nor outside a request.
   */
  beforeReply (callback: ReplyCallback): void {
    this.#replyCallbacks.push(callback)
  }

  /** What `beforeReply` was given; for the gate. */
  get replyCallbacks (): readonly ReplyCallback[] { return this.#replyCallbacks }

  /** The reply keeps its status, and everything is rolled back: for dry runs. */
  setRollbackOnly (): void {
    this.#scope.rollbackOnly = true
  }

  /** Commits now, before the reply. What fails afterwards can no longer be taken back. */
  async commit (): Promise<void> {
    const scope = this.#scope
    await scope.settle('commit')
    if (scope.doom !== undefined) throw scope.doom
    // Something else had settled it before.
    if (scope.state !== 'committed' && !scope.rollbackOnly) throw new TransactionClosedError(scope.label, scope.state)
  }

  /** Rolls back now; the reply keeps its status. */
  rollback (): Promise<void> {
    return this.#scope.settle('rollback')
  }

  get #client (): SqlClient {
    const scope = this.#scope as Scope<SqlTransaction>
    return { query: (statement, values) => scope.run((transaction) => transaction.query(statement, values)) }
  }

  #submit (query: Submittable): Promise<Submittable> {
    if (!this.#isStream) return Promise.reject(new TransactionUsageError('cursors and query streams need a route with stream: true and accessMode: \'read only\''))
    return new Promise((resolve, reject) => {
      this.#scope.run((transaction) => new Promise<void>((_resolve, _reject) => {
        const { submit } = transaction as OpenTransaction & Partial<SqlTransaction>
        if (submit === undefined) return _reject(new TransactionUsageError('this SQL store has no cursors'))
        submit.call(transaction, query)
        resolve(query)
        whenDone(query, _resolve)
      })).catch(reject)
    })
  }
}

/** The connection is free for the next statement when the stream has ended, failed or been closed. */
function whenDone (query: object, done: () => void): void {
  if (!('once' in query) || typeof query.once !== 'function') return done()
  for (const event of ['end', 'error', 'close']) query.once(event, done)
}

function isSubmittable (statement: unknown): statement is Submittable {
  return typeof statement === 'object' && statement !== null && 'submit' in statement && typeof statement.submit === 'function'
}

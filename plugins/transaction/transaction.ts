import type { ClientSession, Db } from 'mongodb'
import type { QueryResult, QueryResultRow, Submittable } from 'pg'
import type { State, Scope } from './scope.ts'
import type { SqlClient, SqlHandles, SqlTransaction, Statement } from './sql.ts'
import { readerText, statementText, transactionControlIn } from './statement-text.ts'
import { quiet, type FollowOptions } from './told.ts'
import type { TransactionalDatabase } from './mongo-facade.ts'
import { bindDatabase, readOnlyDatabase } from './mongo-facade.ts'
import { MongoTransaction } from './mongo.ts'
import { findCallback, noCallback, refuseCallback } from './callbacks.ts'
import { TransactionClosedError, TransactionUsageError } from './errors.ts'
import type { ReplyCallback } from './before-reply.ts'

/**
 * What the app's handles are. Fill it from your own code:
 * `declare module '…/transaction' { interface TransactionTypes { db: MyDrizzleDatabase } }`
 */
export interface TransactionTypes {}

/** What `request.db` is until the app says it: nothing that can be used, and the name of its property says what to do. */
export interface UndeclaredHandle {
  "say what request.db is: declare module '@tandem/transaction' { interface TransactionTypes { db: MyDatabase } }":
    never
}

/** The type of `request.db`: what the app declared. */
export type Handle = TransactionTypes extends { db: infer Declared } ? Declared : UndeclaredHandle

/** What the plugin option `db` may make: what the app declared, anything until it does. */
export type GivenHandle = TransactionTypes extends { db: infer Declared } ? Declared : unknown

/** What the handles of both stores are made from. */
export interface Handles {
  db: SqlHandles<GivenHandle> | undefined
  mongo: Db | undefined
}

/** `request.transaction`, and what `app.transaction` hands to its function. */
export class Transaction {
  readonly #scope: Scope
  readonly #handles: Handles
  readonly #isStream: boolean
  readonly #agrees: boolean
  readonly #isSingleStatement: boolean
  readonly #replyCallbacks: ReplyCallback[] = []
  #db: Handle | undefined
  /** The cursor or query stream that is open, or about to be. */
  #reader: Submittable | undefined
  #mongo: TransactionalDatabase | undefined

  /** Made by the plugin, once per attempt. */
  constructor (
    scope: Scope,
    handles: Handles,
    options: {
      stream?: boolean | undefined
      agree?: 'outbox' | undefined
      isSingleStatement?: boolean | undefined
    } = {}
  ) {
    this.#scope = scope
    this.#handles = handles
    this.#isStream = options.stream === true
    this.#agrees = options.agree !== undefined
    this.#isSingleStatement = options.isSingleStatement === true
  }

  /** The store this transaction lives in. */
  get store (): 'sql' | 'mongo' {
    return this.#scope.driver.store
  }

  /** idle, opening, open, committing, committed, rolling back, rolled back, failed, lost or unknown. */
  get state (): State {
    return this.#scope.state
  }

  /** Which run of the handler this is, from 1; more than 1 only with `retries`. */
  get attempt (): number {
    return this.#scope.attempt
  }

  /** The end that has been asked for, by `commit()`, `rollback()`, the deadline or the reply; undefined before. Rejects where a commit fails. */
  get settled (): Promise<void> | undefined {
    return this.#scope.settled
  }

  /** True once the store has confirmed a COMMIT with at least one statement in it. */
  get hasCommitted (): boolean {
    return this.#scope.state === 'committed' && this.#scope.statements > 0
  }

  /** True after `setRollbackOnly()`. */
  get isRollbackOnly (): boolean {
    return this.#scope.rollbackOnly
  }

  /** MongoDB: the cluster time of the commit, undefined before it. For causally consistent reads elsewhere. */
  get operationTime (): ClientSession['operationTime'] {
    const { transaction } = this.#scope
    return transaction instanceof MongoTransaction ? transaction.operationTime : undefined
  }

  /** The app's own handle (Drizzle) on this transaction. Throws a sentence when the transaction lives in MongoDB. */
  get db (): Handle {
    if (this.store !== 'sql') {
      throw new TransactionUsageError(
        `the transaction of ${this.#scope.label} lives in MongoDB; read SQL through app.db, or declare store: 'sql'`
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
    if (this.store === 'mongo') return this.#mongo ??= bindDatabase(mongo, this.#scope as Scope<MongoTransaction>)
    if (this.#agrees) return this.#mongo ??= readOnlyDatabase(mongo)
    throw new TransactionUsageError(
      `the transaction of ${this.#scope.label} lives in SQL; read MongoDB through app.mongo.db, declare store: 'mongo', or agree: 'outbox' where both must change`
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
      ? mistakeIn(args)
      : `the transaction of ${this.#scope.label} lives in MongoDB and takes no SQL`
    if (mistake !== undefined) return this.#refuse(args, new TransactionUsageError(mistake))
    return isSubmittable(statement) ? this.#submit(statement) : this.#query(statement, values)
  }

  /**
   * Follows a promise of your own that belongs to this transaction, such as a library's that writes in it: it ends no process
   * when nobody listens, and when it fails then, the transaction does.
   */
  follow<Result> (work: Promise<Result>, options?: FollowOptions): Promise<Result> {
    if (typeof options === 'function') return this.#refuse([options], noCallback('follow'))
    return this.#scope.follow(work, options)
  }

  /** Runs `callback` after the COMMIT, in the order of registration; its errors are logged, never answered. Not run after a rollback. */
  afterCommit (callback: () => unknown): void
  afterCommit (callback: () => unknown, ...others: unknown[]): void {
    assertFunction('afterCommit', callback)
    assertNoCallback('afterCommit', others)
    this.#scope.afterCommit(callback)
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

  /** What `beforeReply` was given; for the gate. */
  get replyCallbacks (): readonly ReplyCallback[] {
    return this.#replyCallbacks
  }

  /** The reply keeps its status, and everything is rolled back: for dry runs. Refused with `'statement'`, as the two below. */
  setRollbackOnly (): void
  setRollbackOnly (...args: unknown[]): void {
    assertNoCallback('setRollbackOnly', args)
    const refusal = this.#endRefusal('setRollbackOnly')
    if (refusal !== undefined) throw refusal
    this.#scope.rollbackOnly = true
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
    return refusal === undefined ? quiet(this.#scope.settle('rollback')) : this.#refuse(args, refusal)
  }

  /** Why the program may not end the transaction: what it would be told could not be true. */
  #endRefusal (method: string, args: unknown[] = []): TransactionUsageError | undefined {
    if (findCallback(args) !== undefined) return noCallback(method)
    if (!this.#isSingleStatement) return undefined
    return new TransactionUsageError(
      `${method}() of ${this.#scope.label}: transaction: 'statement' commits its one statement by itself, and nothing can be taken back; declare transaction: true`
    )
  }

  /** Refuses a call; a callback that it was given is told too. */
  #refuse (args: unknown[], error: Error): Promise<never> {
    const follow = (work: Promise<never>) => this.#scope.follow(work)
    const callback = findCallback(args)
    return callback === undefined ? follow(Promise.reject(error)) : refuseCallback(callback, error, follow)
  }

  async #commit (): Promise<void> {
    const scope = this.#scope
    await scope.settle('commit')
    if (scope.doom !== undefined) throw scope.doom
    // Something else had settled it before.
    if (scope.state !== 'committed' && !scope.rollbackOnly) throw new TransactionClosedError(scope.label, scope.state)
  }

  get #client (): SqlClient {
    return {
      query: <Row extends QueryResultRow>(statement: Statement, values?: unknown[], ...others: unknown[]) => {
        const callback = findCallback([statement, values, ...others])
        return callback === undefined
          ? this.#query<Row>(statement, values)
          : this.#refuse([callback], noCallback('query'))
      },
      follow: (work, options) => this.follow(work, options)
    }
  }

  #query<Row extends QueryResultRow> (statement: Statement, values: unknown[] | undefined): Promise<QueryResult<Row>> {
    const refusal = this.#refusal(statementText(statement))
    if (refusal !== undefined) return this.follow(Promise.reject(refusal))
    return (this.#scope as Scope<SqlTransaction>).run((transaction) => transaction.query<Row>(statement, values))
  }

  /** Why a text may not be sent now. */
  #refusal (text: string): TransactionUsageError | undefined {
    if (this.#reader !== undefined && !isBeingClosed(this.#reader)) {
      return new TransactionUsageError(
        'a cursor or query stream of this transaction is still open, and a statement could only wait for it; read it to its end or close it first'
      )
    }
    return transactionControlIn(text)
  }

  #submit (query: Submittable): Promise<Submittable> {
    const refusal = this.#isStream
      ? this.#refusal(readerText(query))
      : new TransactionUsageError(
        "cursors and query streams need a route with stream: true and accessMode: 'read only'"
      )
    if (refusal !== undefined) return this.follow(Promise.reject(refusal))
    this.#reader = query
    return this.follow(
      new Promise((resolve, reject) => {
        ;(this.#scope as Scope<SqlTransaction>).run((transaction) =>
          new Promise<void>((done, fail) => {
            if (transaction.submit === undefined) {
              return fail(new TransactionUsageError('this SQL store has no cursors'))
            }
            // The reply that came meanwhile does not need it any more, and COMMIT would wait for it.
            if (this.#scope.settled !== undefined) {
              return fail(new TransactionClosedError(this.#scope.label, 'being settled'))
            }
            transaction.submit(query, () => {
              this.#reader = undefined
              done()
            })
            resolve(query)
          })
        ).catch((error: unknown) => {
          this.#reader = undefined
          reject(error as Error)
        })
      })
    )
  }
}

/** True for a stream that was destroyed, as by leaving a loop, and for a cursor whose close() was called: the connection is free soon. */
function isBeingClosed (reader: object): boolean {
  const { destroyed, state } = reader as { destroyed?: unknown; state?: unknown }
  return destroyed === true || state === 'done'
}

/** What is wrong with the arguments of `query()`; a callback would never be called. */
function mistakeIn ([statement, ...others]: unknown[]): string | undefined {
  if (findCallback([statement, ...others]) !== undefined && typeof statement !== 'function') {
    return 'query() takes no callback; await the promise it returns'
  }
  return typeof statement === 'string' || (typeof statement === 'object' && statement !== null)
    ? undefined
    : 'query() needs a statement: a text, or an object with text and values'
}

function assertFunction (method: string, callback: unknown): void {
  if (typeof callback !== 'function') {
    throw new TransactionUsageError(`${method}() needs a function, not ${
      callback instanceof Promise
        ? 'a promise: pass the function that makes it'
        : callback === null
        ? 'null'
        : `a ${typeof callback}`
    }`)
  }
}

function assertNoCallback (method: string, args: unknown[]): void {
  if (args.some((value) => typeof value === 'function')) {
    throw new TransactionUsageError(`${method}() takes no callback at its end; it returns at once`)
  }
}

function isSubmittable (statement: unknown): statement is Submittable {
  return typeof statement === 'object' && statement !== null && 'submit' in statement &&
    typeof statement.submit === 'function'
}

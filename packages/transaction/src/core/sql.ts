import type { QueryArrayConfig, QueryConfig, QueryResult, QueryResultRow, Submittable } from 'pg'
import type { Driver, OpenTransaction } from './driver.ts'
import type { FollowOptions } from './given-promises.ts'

/** A statement in any of the forms pg takes. */
export type Statement = string | QueryConfig | QueryArrayConfig

/** A transaction that speaks SQL. */
export interface SqlTransaction extends OpenTransaction {
  query: <Row extends QueryResultRow>(statement: Statement, values?: unknown[]) => Promise<QueryResult<Row>>
  /**
   * Hands a cursor or query stream to the connection; `onDone` is called when the connection is free again. Absent
   * where the store has none.
   */
  submit?: (query: Submittable, onDone: () => void) => void
}

/** A driver for an SQL store. */
export type SqlDriver = Driver<unknown, SqlTransaction> & { readonly store: 'sql' }

/**
 * What a query builder needs of a connection: pg's `query`, which here runs inside the transaction, one statement at a
 * time.
 */
export interface SqlClient {
  query: <Row extends QueryResultRow>(statement: Statement, values?: unknown[]) => Promise<QueryResult<Row>>
  /**
   * Follows a promise that the query builder made itself and gives to the program: it ends no process, and when it
   * fails and nobody listens, the transaction fails.
   */
  follow?: <Result>(work: Promise<Result>, options?: FollowOptions) => Promise<Result>
}

/** How the app's own handle (Drizzle, Kysely, …) is put on a transaction. */
export interface SqlHandles<Handle> {
  /** The handle of routes without a transaction; each of its statements commits by itself. */
  autocommit: Handle
  /** A handle whose statements go through `client`. Called once per transaction, when it is first asked for. */
  bind: (client: SqlClient) => Handle
}

import {
  createTableRelationsHelpers,
  extractTablesRelationalConfig,
  type ExtractTablesWithRelations,
  type SQL
} from 'drizzle-orm'
import { BaseSQLiteDatabase, SQLiteAsyncDialect } from 'drizzle-orm/sqlite-core'
import {
  SQLiteRemoteSession,
  type AsyncRemoteCallback,
  type PreparedQueryConfig,
  type RemotePreparedQuery
} from 'drizzle-orm/sqlite-proxy'
import type { QueryResult, QueryResultRow } from 'pg'
import * as schema from '../../../drizzle/sqlite.ts'
import { TransactionUsageError, type SavepointQueue, type SqlClient } from 'fastify-transaction'

type Schema = typeof schema
type Relations = ExtractTablesWithRelations<Schema>
type PrepareArguments = Parameters<SQLiteRemoteSession<Schema, Relations>['prepareQuery']>

// One dialect and one relational config for all handles: a transaction's handle costs as little as its objects.
const dialect = new SQLiteAsyncDialect()
const { tables, tableNamesMap } = extractTablesRelationalConfig<Relations>(schema, createTableRelationsHelpers)
const relational = { schema: tables, fullSchema: schema, tableNamesMap }

/**
 * Sends Drizzle's statements through a client: rows as arrays where Drizzle maps them, as objects where it does not.
 */
class ClientSession extends SQLiteRemoteSession<Schema, Relations> {
  readonly #named: SQLiteRemoteSession<Schema, Relations>

  constructor (client: SqlClient) {
    super(callback(client, 'array'), dialect, relational)
    this.#named = new SQLiteRemoteSession(callback(client, undefined), dialect, relational)
  }

  override prepareQuery<Config extends Omit<PreparedQueryConfig, 'run'>> (
    ...args: PrepareArguments
  ): RemotePreparedQuery<Config> {
    const [, fields, , , mapper] = args
    return fields === undefined && mapper === undefined
      ? this.#named.prepareQuery<Config>(...args)
      : super.prepareQuery<Config>(...args)
  }
}

function callback (client: SqlClient, rowMode: 'array' | undefined): AsyncRemoteCallback {
  return async (text, values, method) => {
    const mode = method === 'values' ? 'array' : rowMode
    const result = await client.query<QueryResultRow>(mode === undefined ? { text } : { text, rowMode: mode }, values)
    // Drizzle wants one row here, where `rows` says otherwise.
    return method === 'get' ? { ...result, rows: result.rows[0] as unknown as QueryResultRow[] } : result
  }
}

/** Drizzle on SQLite: over the pool, on a transaction or on a savepoint. */
export class SqliteHandle extends BaseSQLiteDatabase<'async', unknown, Schema, Relations> {
  /** Where its statements go: the pool, or a transaction. */
  readonly $client: SqlClient
  readonly #savepoints: SavepointQueue | undefined

  /**
   * @param client where statements go
   * @param savepoints those of a handle on a transaction; undefined for a handle outside any
   */
  constructor (client: SqlClient, savepoints?: SavepointQueue) {
    super('async', dialect, new ClientSession(client), relational)
    this.$client = client
    this.#savepoints = savepoints
  }

  /** Raw SQL, with the result PostgreSQL's handle gives. */
  execute<Row extends QueryResultRow> (query: SQL | string): Promise<QueryResult<Row>> {
    if (typeof query === 'string') return this.$client.query<Row>(query)
    const { sql: text, params } = dialect.sqlToQuery(query)
    return this.$client.query<Row>(text, params)
  }

  /** A savepoint. */
  override transaction<Result> (work: (tx: never) => Promise<Result>, config?: object): Promise<Result> {
    if (this.#savepoints === undefined) {
      return Promise.reject(
        new TransactionUsageError(
          'app.db has no transaction(): use app.transaction(async ({ db }) => …), or request.db on a route with a transaction'
        )
      )
    }
    return this.#savepoints.run((inner) => work(SqliteHandle.on(inner) as never), config)
  }

  /** A handle on a transaction, or on a savepoint of one. */
  static on (savepoints: SavepointQueue): SqliteHandle {
    return new SqliteHandle(savepoints.client, savepoints)
  }
}

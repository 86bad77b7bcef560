import { AsyncLocalStorage } from 'node:async_hooks'
import {
  createTableRelationsHelpers,
  extractTablesRelationalConfig,
  sql,
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
import { TransactionUsageError } from '../../../packages/transaction/src/errors.ts'
import type { SqlClient } from '../../../packages/transaction/src/core/sql.ts'
import { savepointRefusal } from '../../../packages/transaction/src/sql-text/savepoint.ts'
import { quiet } from '../../../packages/transaction/src/core/given-promises.ts'

type Schema = typeof schema
type Relations = ExtractTablesWithRelations<Schema>
type PrepareArguments = Parameters<SQLiteRemoteSession<Schema, Relations>['prepareQuery']>

// One dialect and one relational config for all handles: a transaction's handle costs as little as its objects.
const dialect = new SQLiteAsyncDialect()
const { tables, tableNamesMap } = extractTablesRelationalConfig<Relations>(schema, createTableRelationsHelpers)
const relational = { schema: tables, fullSchema: schema, tableNamesMap }

/** The handles whose savepoint callback is running: a call that could only wait for itself is refused. */
const running = new AsyncLocalStorage<ReadonlySet<SqliteHandle>>()

/** Sends Drizzle's statements through a client: rows as arrays where Drizzle maps them, as objects where it does not. */
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
  readonly #savepoints: { count: number } | undefined
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param client where statements go
   * @param savepoints so far, which names the next one; undefined for a handle outside any transaction
   */
  constructor (client: SqlClient, savepoints?: { count: number }) {
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

  /** A savepoint. Siblings run one after the other: on one connection, parallel savepoints would end each other. */
  override transaction<Result> (work: (tx: never) => Promise<Result>, config: object = {}): Promise<Result> {
    const turn = this.#inTurn(work, config)
    return this.$client.follow?.(turn, { mustEnd: true }) ?? quiet(turn)
  }

  #inTurn<Result> (work: (tx: never) => Promise<Result>, config: object): Promise<Result> {
    const outer = running.getStore()
    if (this.#savepoints === undefined) {
      return Promise.reject(
        new TransactionUsageError(
          'app.db has no transaction(): use app.transaction(async ({ db }) => …), or request.db on a route with a transaction'
        )
      )
    }
    if (outer?.has(this) === true) {
      return Promise.reject(
        new TransactionUsageError(
          'a savepoint inside a savepoint must be opened on the handle that the outer callback was given'
        )
      )
    }
    const refusal = savepointRefusal(config)
    if (refusal !== undefined) return Promise.reject(refusal)
    const handle = new SqliteHandle(this.$client, this.#savepoints)
    const name = sql.identifier(`savepoint_${++this.#savepoints.count}`)
    const savepoint = this.#last.then(async () => {
      await this.execute(sql`savepoint ${name}`)
      try {
        const result = await running.run(new Set([...outer ?? [], this]), work, handle as never)
        await this.execute(sql`release savepoint ${name}`)
        return result
      } catch (error) {
        await this.execute(sql`rollback to savepoint ${name}`)
        throw error
      }
    })
    this.#last = savepoint.catch(() => {})
    return savepoint
  }
}

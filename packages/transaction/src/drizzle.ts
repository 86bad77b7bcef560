import type { PoolClient } from 'pg'
import type { ExtractTablesWithRelations, RelationalSchemaConfig, TablesRelationalConfig } from 'drizzle-orm'
import type { NodePgQueryResultHKT } from 'drizzle-orm/node-postgres'
import { NodePgSession, NodePgTransaction } from 'drizzle-orm/node-postgres'
import type { PgPreparedQuery, PgTransactionConfig, PreparedQueryConfig } from 'drizzle-orm/pg-core'
import { PgDatabase, PgDialect } from 'drizzle-orm/pg-core'
import type { SqlClient, SqlHandles } from './core/sql.ts'
import { SavepointQueue } from './savepoints.ts'
import { quiet } from './core/given-promises.ts'

/** What all handles of an app share of Drizzle's insides. */
interface Parts<Tables extends TablesRelationalConfig> {
  dialect: PgDialect
  schema: RelationalSchemaConfig<Tables> | undefined
}

/** A session whose promises end no process when nobody listens. */
class FollowedSession<Schema extends Record<string, unknown>, Tables extends TablesRelationalConfig>
  extends NodePgSession<Schema, Tables>
{
  readonly #client: SqlClient

  constructor (client: PoolClient, dialect: PgDialect, schema: RelationalSchemaConfig<Tables> | undefined) {
    super(client, dialect, schema)
    this.#client = client as SqlClient
  }

  override prepareQuery<Config extends PreparedQueryConfig> (
    ...args: Parameters<NodePgSession<Schema, Tables>['prepareQuery']>
  ): PgPreparedQuery<Config> {
    const prepared = super.prepareQuery<Config>(...args)
    const { execute } = prepared
    prepared.execute = (...values) => follow(this.#client, execute.apply(prepared, values))
    return prepared
  }
}

/**
 * What `query` of a handle is. Drizzle makes a builder for each table, which few transactions ask for: they are made
 * when the first one is.
 */
class RelationalQueries implements ProxyHandler<object> {
  readonly #make: () => unknown
  #made: object | undefined

  constructor (make: () => unknown) {
    this.#make = make
  }

  get (_tables: object, name: string | symbol): unknown {
    return Reflect.get(this.#made ??= Object(this.#make()) as object, name)
  }

  // The names of the tables are shared by all handles.
  set (): boolean {
    return false
  }
}

class SavepointTransaction<Schema extends Record<string, unknown>, Tables extends TablesRelationalConfig>
  extends NodePgTransaction<Schema, Tables>
{
  readonly #savepoints: SavepointQueue
  readonly #parts: Parts<Tables>

  constructor (parts: Parts<Tables>, savepoints: SavepointQueue, depth: number) {
    const { dialect, schema } = parts
    const session = new FollowedSession<Schema, Tables>(savepoints.client as PoolClient, dialect, schema)
    // Given the schema, Drizzle would make a query builder for each table and each transaction.
    super(dialect, session, undefined, depth)
    this.#parts = parts
    this.#savepoints = savepoints
    if (schema !== undefined) this.#addSchema(schema, session)
  }

  #addSchema (
    relational: RelationalSchemaConfig<Tables>,
    session: FollowedSession<Schema, Tables>
  ): void {
    const { dialect } = this.#parts
    const { schema, fullSchema, tableNamesMap } = relational
    const makers = new RelationalQueries(() => new PgDatabase(dialect, session, relational).query)
    const query = new Proxy(schema, makers)
    Object.assign(this, { schema: relational, _: { schema, fullSchema, tableNamesMap, session }, query })
  }

  override transaction<Result> (
    work: (tx: NodePgTransaction<Schema, Tables>) => Promise<Result>,
    config?: PgTransactionConfig
  ): Promise<Result> {
    return this.#savepoints.run(
      (inner) => work(new SavepointTransaction<Schema, Tables>(this.#parts, inner, this.nestedIndex + 1)),
      config
    )
  }
}

/** A promise of Drizzle's, followed by the transaction it belongs to. */
function follow<Result> (client: SqlClient, work: Promise<Result>): Promise<Result> {
  return client.follow?.(work) ?? quiet(work)
}

/** The type of `request.db` with Drizzle: what the pool's database, a transaction and a savepoint have in common. */
export type DrizzleHandle<Schema extends Record<string, unknown>> = PgDatabase<
  NodePgQueryResultHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
>

/**
 * Puts a node-postgres Drizzle database on transactions: `request.db` is then a Drizzle handle with the same schema.
 *
 * @param db the app's Drizzle database over its pool
 * @param options `casing` as given to `drizzle()`; default: names as written in the schema
 * @example
 * const db = drizzle(pool, { schema })
 * await app.register(transaction, { pool, db: drizzleHandles(db) })
 */
export function drizzleHandles<Schema extends Record<string, unknown>> (
  db: DrizzleHandle<Schema>,
  options: { casing?: 'snake_case' | 'camelCase' } = {}
): SqlHandles<DrizzleHandle<Schema>> {
  // One dialect and one relational config for the life of the app: deriving them per request costs up to 270 µs.
  const dialect = new PgDialect(options)
  const { schema, fullSchema, tableNamesMap } = db._
  const relational = schema === undefined ? undefined : { schema, fullSchema, tableNamesMap }
  const parts = { dialect, schema: relational }
  function bind (client: SqlClient) {
    return new SavepointTransaction<Schema, ExtractTablesWithRelations<Schema>>(parts, new SavepointQueue(client), 0)
  }
  return { autocommit: db, bind }
}

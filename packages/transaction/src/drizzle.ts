import { AsyncLocalStorage } from 'node:async_hooks'
import type { PoolClient } from 'pg'
import type { ExtractTablesWithRelations, RelationalSchemaConfig, TablesRelationalConfig } from 'drizzle-orm'
import type { NodePgQueryResultHKT } from 'drizzle-orm/node-postgres'
import { NodePgSession, NodePgTransaction } from 'drizzle-orm/node-postgres'
import type { PgDatabase, PgPreparedQuery, PgTransactionConfig, PreparedQueryConfig } from 'drizzle-orm/pg-core'
import { PgDialect } from 'drizzle-orm/pg-core'
import { sql } from 'drizzle-orm'
import { TransactionUsageError } from './errors.ts'
import type { SqlClient, SqlHandles } from './core/sql.ts'
import { savepointRefusal } from './sql-text/savepoint.ts'
import { quiet, type FollowOptions } from './core/given-promises.ts'

/** Everything this plugin takes from Drizzle's insides: a session over a client of ours, and the transaction class with our savepoints. */
interface Parts<Tables extends TablesRelationalConfig> {
  client: SqlClient
  dialect: PgDialect
  schema: RelationalSchemaConfig<Tables> | undefined
  /** Savepoints so far: their names never repeat within a transaction. */
  savepoints: { count: number }
}

/** Savepoints of one handle that are open or waiting, and whose they are. */
interface Turns {
  owner?: object
  last?: Promise<unknown> | undefined
}

/** The handles whose savepoint callback is running: used to refuse a call that could only wait for itself. */
const entered = new AsyncLocalStorage<ReadonlySet<object>>()

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

class SavepointTransaction<Schema extends Record<string, unknown>, Tables extends TablesRelationalConfig>
  extends NodePgTransaction<Schema, Tables>
{
  readonly #parts: Parts<Tables>
  readonly #turns: Turns

  constructor (parts: Parts<Tables>, depth: number) {
    const turns: Turns = {}
    const client = inTurn(parts.client, turns) as PoolClient
    super(parts.dialect, new FollowedSession<Schema, Tables>(client, parts.dialect, parts.schema), parts.schema, depth)
    this.#parts = parts
    this.#turns = turns
    turns.owner = this
  }

  override transaction<Result> (
    work: (tx: NodePgTransaction<Schema, Tables>) => Promise<Result>,
    config?: PgTransactionConfig
  ): Promise<Result> {
    return follow(this.#parts.client, this.#inTurn(work, config), { mustEnd: true })
  }

  #inTurn<Result> (
    work: (tx: NodePgTransaction<Schema, Tables>) => Promise<Result>,
    config: PgTransactionConfig = {}
  ): Promise<Result> {
    const outer = entered.getStore()
    if (outer?.has(this) === true) {
      return Promise.reject(
        new TransactionUsageError(
          'a savepoint inside a savepoint must be opened on the handle that the outer callback was given'
        )
      )
    }
    const refusal = savepointRefusal(config)
    if (refusal !== undefined) return Promise.reject(refusal)
    // Siblings run one after the other: on one connection, parallel savepoints would end each other.
    const turn = Promise.resolve(this.#turns.last).then(() => this.#savepoint(work, new Set([...outer ?? [], this])))
    const last = turn.then(ignore, ignore).then(() => {
      if (this.#turns.last === last) this.#turns.last = undefined
    })
    this.#turns.last = last
    return turn
  }

  async #savepoint<Result> (
    work: (tx: NodePgTransaction<Schema, Tables>) => Promise<Result>,
    handles: ReadonlySet<object>
  ): Promise<Result> {
    const name = sql.identifier(`savepoint_${++this.#parts.savepoints.count}`)
    const tx = new SavepointTransaction<Schema, Tables>(this.#parts, this.nestedIndex + 1)
    await tx.execute(sql`savepoint ${name}`)
    try {
      const result = await entered.run(handles, work, tx)
      await tx.execute(sql`release savepoint ${name}`)
      return result
    } catch (error) {
      // Where this fails too the whole transaction is over; what went wrong first is what the caller must hear.
      await tx.execute(sql`rollback to savepoint ${name}`).catch(ignore)
      throw error
    }
  }
}

/** A promise of Drizzle's or of ours, followed by the transaction it belongs to. */
function follow<Result> (client: SqlClient, work: Promise<Result>, options?: FollowOptions): Promise<Result> {
  return client.follow?.(work, options) ?? quiet(work)
}

/** Statements of the outer handle wait for its open savepoint: inside it, they would be undone with it. */
function inTurn (client: SqlClient, turns: Turns): SqlClient {
  return {
    ...client,
    query: (statement, values) => {
      const { owner, last } = turns
      const mustWait = last !== undefined && owner !== undefined && entered.getStore()?.has(owner) !== true
      return mustWait ? last.then(() => client.query(statement, values)) : client.query(statement, values)
    }
  }
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
  function bind (client: SqlClient) {
    return new SavepointTransaction<Schema, ExtractTablesWithRelations<Schema>>({
      client,
      dialect,
      schema: relational,
      savepoints: { count: 0 }
    }, 0)
  }
  return { autocommit: db, bind }
}

function ignore (): void {}

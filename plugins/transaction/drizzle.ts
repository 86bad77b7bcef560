import { AsyncLocalStorage } from 'node:async_hooks'
import type { PoolClient } from 'pg'
import type { ExtractTablesWithRelations, RelationalSchemaConfig, TablesRelationalConfig } from 'drizzle-orm'
import type { NodePgQueryResultHKT } from 'drizzle-orm/node-postgres'
import { NodePgSession, NodePgTransaction } from 'drizzle-orm/node-postgres'
import type { PgDatabase } from 'drizzle-orm/pg-core'
import { PgDialect } from 'drizzle-orm/pg-core'
import { sql } from 'drizzle-orm'
import { TransactionUsageError } from './errors.ts'
import type { SqlClient, SqlHandles } from './sql.ts'

/** Everything this plugin takes from Drizzle's insides: a session over a client of ours, and the transaction class with our savepoints. */
interface Parts<Schema extends Record<string, unknown>, Tables extends TablesRelationalConfig> {
  dialect: PgDialect
  session: NodePgSession<Schema, Tables>
  schema: RelationalSchemaConfig<Tables> | undefined
  /** Savepoints so far: their names never repeat within a transaction. */
  savepoints: { count: number }
}

/** The handles whose savepoint callback is running: used to refuse a call that could only wait for itself. */
const entered = new AsyncLocalStorage<ReadonlySet<object>>()

class SavepointTransaction<Schema extends Record<string, unknown>, Tables extends TablesRelationalConfig> extends NodePgTransaction<Schema, Tables> {
  readonly #parts: Parts<Schema, Tables>
  #last: Promise<unknown> = Promise.resolve()

  constructor (parts: Parts<Schema, Tables>, depth: number) {
    super(parts.dialect, parts.session, parts.schema, depth)
    this.#parts = parts
  }

  override transaction<Result> (work: (tx: NodePgTransaction<Schema, Tables>) => Promise<Result>): Promise<Result> {
    const outer = entered.getStore()
    if (outer?.has(this) === true) return Promise.reject(new TransactionUsageError('a savepoint inside a savepoint must be opened on the handle that the outer callback was given'))
    // Siblings run one after the other: on one connection, parallel savepoints would end each other.
    const turn = this.#last.then(() => this.#savepoint(work, new Set([...outer ?? [], this])))
    this.#last = turn.then(ignore, ignore)
    return turn
  }

  async #savepoint<Result> (work: (tx: NodePgTransaction<Schema, Tables>) => Promise<Result>, handles: ReadonlySet<object>): Promise<Result> {
    const name = sql.identifier(`savepoint_${++this.#parts.savepoints.count}`)
    const tx = new SavepointTransaction(this.#parts, this.nestedIndex + 1)
    await tx.execute(sql`savepoint ${name}`)
    try {
      const result = await entered.run(handles, work, tx)
      await tx.execute(sql`release savepoint ${name}`)
      return result
    } catch (error) {
      await tx.execute(sql`rollback to savepoint ${name}`)
      throw error
    }
  }
}

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
  db: PgDatabase<NodePgQueryResultHKT, Schema, ExtractTablesWithRelations<Schema>>,
  options: { casing?: 'snake_case' | 'camelCase' } = {}
): SqlHandles<PgDatabase<NodePgQueryResultHKT, Schema, ExtractTablesWithRelations<Schema>>> {
  // One dialect and one relational config for the life of the app: deriving them per request costs up to 270 µs.
  const dialect = new PgDialect(options)
  const { schema, fullSchema, tableNamesMap } = db._
  const relational = schema === undefined ? undefined : { schema, fullSchema, tableNamesMap }
  function bind (client: SqlClient) {
    const session = new NodePgSession<Schema, ExtractTablesWithRelations<Schema>>(client as PoolClient, dialect, relational)
    return new SavepointTransaction({ dialect, session, schema: relational, savepoints: { count: 0 } }, 0)
  }
  return { autocommit: db, bind }
}

function ignore (): void {}

import type { FastifyRequest } from 'fastify'
import type { Pool } from 'pg'
import type { Handle, SqlHandles } from '../src/index.ts'

/** Inserts an item in the transaction of a request. */
export function insert (request: FastifyRequest, id: number) {
  return request.transaction.query('insert into item values ($1, $2)', [id, 'a note'])
}

/** What to select, as `value`, to learn a setting of the session. */
export function setting (name: string): string {
  return `current_setting('${name}') as value`
}

/** A statement that fails as one of the losing side of two serializable transactions does. */
export const conflict = "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$"

/** Makes the COMMIT fail like that, once something has been inserted into `item` after this. */
export const commitConflict =
  "create function pg_temp.clash() returns trigger language plpgsql as 'begin raise exception ''conflict'' using errcode = ''40001''; end'; create constraint trigger clash after insert on item deferrable initially deferred for each row execute function pg_temp.clash()"

/** What `request.db` is with `plainHandles`. */
export interface PlainDb {
  query: (text: string) => Promise<unknown>
}

/**
 * The smallest app handle: its query goes to the transaction, or autocommits. Typed as the service's own, which is this
 * project's `request.db`.
 */
export function plainHandles (pool: Pool): SqlHandles<Handle> {
  const handles: SqlHandles<PlainDb> = {
    autocommit: { query: (text) => pool.query(text) },
    bind: (client) => ({ query: (text) => client.query(text) })
  }
  return handles as unknown as SqlHandles<Handle>
}

/** `request.db` of an app with `plainHandles`. */
export function plainDb ({ db }: { db: unknown }): PlainDb {
  return db as PlainDb
}

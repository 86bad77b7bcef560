import fp from 'fastify-plugin'
import type { Database } from '../../drizzle/index.ts'
import { openPostgres } from './postgres/open.ts'
import { openSqlite } from './sqlite/open.ts'
import { SqliteHandle } from './sqlite/handle.ts'
import { SqliteReadWritePool } from './sqlite/read-write-pool.ts'

export type { Database } from '../../drizzle/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Drizzle in autocommit: each statement takes a connection of its own. Inside a transaction use `request.db`. */
    db: Database
    /** The connections under `app.db` when it is SQLite; on PostgreSQL they are `app.pg.pool`. */
    sqlite: SqliteReadWritePool | undefined
  }
}

// Reading routes and schemas needs no database; nothing ever connects to this one.
const NOWHERE = 'postgres://nowhere.invalid/offline'

/**
 * Decorates `app.db` for the engine `DATABASE_URL` names, and closes with the app what it opened. A double in its place
 * stays.
 */
export default fp(async function sql (app) {
  if (app.hasDecorator('db')) {
    app.decorate('sqlite', findPool(app.db))
    return
  }
  const url = app.config.DATABASE_URL ?? NOWHERE
  const { pool, db } = isSqlite(url)
    ? await openSqlite(app, url)
    : { pool: undefined, db: await openPostgres(app, url) }
  app.decorate('db', db)
  app.decorate('sqlite', pool)
}, { name: 'sql', dependencies: ['config'], fastify: '5.x' })

function isSqlite (url: string): boolean {
  return url === ':memory:' || url.startsWith('file:')
}

function findPool (db: unknown): SqliteReadWritePool | undefined {
  return db instanceof SqliteHandle && db.$client instanceof SqliteReadWritePool ? db.$client : undefined
}

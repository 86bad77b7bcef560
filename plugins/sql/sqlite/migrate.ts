import { migrateSqlite, type SqliteClient } from '../../../drizzle/migrate.ts'
import type { SqlitePool } from './read-write-pool.ts'

/** Creates the tables of a database in memory, which exists in its one connection only. */
export async function migrateMemory (pool: SqlitePool): Promise<string[]> {
  return await migrateSqlite(clientOf(pool))
}

function clientOf (pool: SqlitePool): SqliteClient {
  return {
    execute: (statement) => run(pool, statement),
    transaction: async () => {
      const session = await pool.begin({ readOnly: false, abandoned: () => false })
      let isOver = false
      return {
        execute: (statement) => run(session, statement),
        commit: () => {
          isOver = true
          return session.end('commit')
        },
        close: () => { if (!isOver) session.end('rollback').catch(() => {}) }
      }
    }
  }
}

type Runner = Pick<SqlitePool, 'query'>
type Statement = Parameters<SqliteClient['execute']>[0]

function run (runner: Runner, statement: Statement): ReturnType<SqliteClient['execute']> {
  return typeof statement === 'string' ? runner.query(statement) : runner.query(statement.sql, statement.args)
}

import { migrateSqlite } from '../../../drizzle/migrate.ts'
import type { SqliteClient } from '../../../drizzle/sqlite-client.ts'
import type { SqliteReadWritePool } from './read-write-pool.ts'

/** Creates the tables of a database in memory, which exists in its one connection only. */
export async function migrateMemory (pool: SqliteReadWritePool): Promise<string[]> {
  return await migrateSqlite(toClient(pool))
}

function toClient (pool: SqliteReadWritePool): SqliteClient {
  return {
    execute: (statement) => run(pool, statement),
    transaction: async () => {
      const session = await pool.begin({ readOnly: false, isAborted: () => false })
      let isOver = false
      return {
        execute: (statement) => run(session, statement),
        commit: () => {
          isOver = true
          return session.end('commit')
        },
        close: () => {
          if (!isOver) session.end('rollback').catch(() => {})
        }
      }
    }
  }
}

type Runner = Pick<SqliteReadWritePool, 'query'>
type Statement = Parameters<SqliteClient['execute']>[0]

function run (runner: Runner, statement: Statement): ReturnType<SqliteClient['execute']> {
  return typeof statement === 'string' ? runner.query(statement) : runner.query(statement.sql, statement.args)
}

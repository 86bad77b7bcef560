import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient, type Db } from 'mongodb'
import pg from 'pg'
import type { Test } from 'tap'
import { openSqliteClient, type SqliteClient } from '../drizzle/sqlite-client.ts'
import { newFolder } from './folder.ts'
import { databases } from './helper.ts'

/** A PostgreSQL database of this test's own, with a pool on it that is ended with the test. */
export async function freshPostgres (t: Test): Promise<{ url: string; pool: pg.Pool }> {
  const { databaseUrl } = await databases(t)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 20 })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return { url: databaseUrl, pool }
}

/** A MongoDB database of this test's own, with a client that is closed with the test. */
export async function freshMongo (t: Test): Promise<{ url: string; client: MongoClient; db: Db }> {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = await new MongoClient(mongoUrl, { w: 'majority' }).connect()
  t.teardown(() => client.close())
  return { url: mongoUrl, client, db: client.db(mongoDatabase) }
}

/** What runs inside a transaction of `freshSqlite`; as both packages take it. */
interface SqliteTransaction {
  state: 'open'
  query: (text: string, values?: unknown[]) => Promise<{ rows: object[] }>
}

/** A SQLite file of a test's own: single statements, and write transactions, one after the other. */
interface FreshSqlite {
  client: Pick<SqliteClient, 'execute'>
  transaction: <Result>(fn: (tx: SqliteTransaction) => Promise<Result>) => Promise<Result>
}

/**
 * A SQLite file of this test's own, closed with the test.
 * @param schema statements that make its tables
 */
export async function freshSqlite (t: Test, schema: string): Promise<FreshSqlite> {
  const client = openSqliteClient(`file:${newFolder(t)}/test.db`)
  t.teardown(() => {
    client.close()
  })
  for (const statement of schema.split(/;\s*(?=CREATE)/)) await client.execute(statement)
  // On one connection, a statement would otherwise be part of the transaction that happens to be open.
  let tail: Promise<unknown> = Promise.resolve()
  async function inTurn<Result> (work: () => Promise<Result>): Promise<Result> {
    const run = tail.then(work)
    tail = run.catch(() => {})
    return await run
  }
  async function inTransaction<Result> (fn: (tx: SqliteTransaction) => Promise<Result>): Promise<Result> {
    const tx = await client.transaction('write')
    try {
      const result = await fn({
        state: 'open',
        query: (text, values = []) => tx.execute({ sql: text, args: values as string[] })
      })
      await tx.commit()
      return result
    } finally {
      tx.close()
    }
  }
  return {
    client: { execute: (statement) => inTurn(() => client.execute(statement)) },
    transaction: (fn) => inTurn(() => inTransaction(fn))
  }
}

/** Waits until a condition holds; fails with `what` when it does not within `ms` milliseconds. */
export async function until (what: string, holds: () => unknown, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms;;) {
    if (await holds()) return
    if (Date.now() > end) throw new Error(`still not true after ${ms} ms: ${what}`)
    await sleep(10)
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, type Client } from '@libsql/client'
import { MongoClient, type Db } from 'mongodb'
import pg from 'pg'
import type { Test } from 'tap'
import { newFolder } from './folder.ts'
import { databases } from './helper.ts'

/** A PostgreSQL database of this test's own, with a pool on it that is ended with the test. */
export async function freshPostgres (t: Test): Promise<{ url: string, pool: pg.Pool }> {
  const { databaseUrl } = await databases(t)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 20 })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return { url: databaseUrl, pool }
}

/** A MongoDB database of this test's own, with a client that is closed with the test. */
export async function freshMongo (t: Test): Promise<{ url: string, client: MongoClient, db: Db }> {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = await new MongoClient(mongoUrl, { w: 'majority' }).connect()
  t.teardown(() => client.close())
  return { url: mongoUrl, client, db: client.db(mongoDatabase) }
}

/** What runs inside a transaction of `freshSqlite`; as both islands take it. */
interface SqliteTransaction { state: 'open', query: (text: string, values?: unknown[]) => Promise<{ rows: object[] }> }

/**
 * A SQLite file of this test's own, closed with the test.
 * @param schema statements that make its tables
 * @returns its client, and a function that runs another one in a write transaction, one at a time
 */
export async function freshSqlite (t: Test, schema: string): Promise<{ client: Client, transaction: <Result>(fn: (tx: SqliteTransaction) => Promise<Result>) => Promise<Result> }> {
  const client = createClient({ url: `file:${newFolder(t)}/test.db` })
  t.teardown(() => { client.close() })
  await client.executeMultiple(schema)
  let tail: Promise<unknown> = Promise.resolve()
  async function inTransaction<Result> (fn: (tx: SqliteTransaction) => Promise<Result>): Promise<Result> {
    const tx = await client.transaction('write')
    try {
      const result = await fn({ state: 'open', query: async (text, values = []) => ({ rows: [...(await tx.execute({ sql: text, args: values as string[] })).rows] }) })
      await tx.commit()
      return result
    } finally {
      tx.close()
    }
  }
  return {
    client,
    transaction: async (fn) => {
      const run = tail.then(() => inTransaction(fn))
      tail = run.catch(() => {})
      return await run
    }
  }
}

/** Waits until a condition holds; fails with `what` when it does not within `ms` milliseconds. */
export async function until (what: string, holds: () => unknown, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; ;) {
    if (await holds()) return
    if (Date.now() > end) throw new Error(`still not true after ${ms} ms: ${what}`)
    await sleep(10)
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient, type Db } from 'mongodb'
import pg from 'pg'
import type { Test } from 'tap'
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

/** Waits until a condition holds; fails with `what` when it does not within `ms` milliseconds. */
export async function until (what: string, holds: () => unknown, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; ;) {
    if (await holds()) return
    if (Date.now() > end) throw new Error(`still not true after ${ms} ms: ${what}`)
    await sleep(10)
  }
}

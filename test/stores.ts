import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient, type Db } from 'mongodb'
import pg from 'pg'

interface Teardown { teardown: (fn: () => unknown) => void }

async function urls (): Promise<{ pg: string, mongo: string }> {
  return JSON.parse(await readFile('/tmp/dual/urls.json', 'utf8')) as { pg: string, mongo: string }
}

/** An empty PostgreSQL database of this test's own, with a pool on it. */
export async function freshPostgres (t: Teardown): Promise<{ url: string, pool: pg.Pool }> {
  const url = new URL((await urls()).pg)
  const name = `island_${randomBytes(6).toString('hex')}`
  const admin = new pg.Client({ connectionString: url.href })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  await admin.end()
  url.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: url.href, max: 20 })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return { url: url.href, pool }
}

/** An empty MongoDB database of this test's own. */
export async function freshMongo (t: Teardown): Promise<{ url: string, client: MongoClient, db: Db }> {
  const url = (await urls()).mongo
  const client = await new MongoClient(url, { w: 'majority' }).connect()
  const db = client.db(`island_${randomBytes(6).toString('hex')}`)
  t.teardown(async () => {
    await db.dropDatabase()
    await client.close()
  })
  return { url, client, db }
}

/** Waits until a condition holds; fails with `what` when it does not within ten seconds. */
export async function until (what: string, holds: () => unknown, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; ;) {
    if (await holds()) return
    if (Date.now() > end) throw new Error(`still not true after ${ms} ms: ${what}`)
    await sleep(10)
  }
}

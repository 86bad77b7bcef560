// Databases of a test's own that are empty: what the packages' tests need, without anything of the service.
import { randomBytes } from 'node:crypto'
import Libsql from 'libsql'
import { MongoClient, type Db } from 'mongodb'
import pg from 'pg'
import type { Test } from 'tap'
import { readRun } from './databases/run.ts'
import { newFolder } from './folder.ts'

/** An empty PostgreSQL database of this test's own, with a pool on it that is ended with the test. */
export async function freshPostgres (t: Test): Promise<{ url: string; pool: pg.Pool }> {
  const url = new URL(readRun().postgres)
  const name = getName()
  const cluster = new pg.Client({ connectionString: url.href })
  await cluster.connect()
  await cluster.query(`create database ${name}`)
  await cluster.end()
  url.pathname = name
  const pool = new pg.Pool({ connectionString: url.href, max: 20 })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return { url: url.href, pool }
}

/** An empty MongoDB database of this test's own, with a client that is closed with the test. */
export async function freshMongo (t: Test): Promise<{ url: string; client: MongoClient; db: Db }> {
  const name = getName()
  const url = `${readRun().mongodb}&appName=${name}`
  const client = await new MongoClient(url, { w: 'majority' }).connect()
  t.teardown(() => client.close())
  return { url, client, db: client.db(name) }
}

/** What runs inside a transaction of `freshSqlite`; as both packages take it. */
interface SqliteTransaction {
  state: 'open'
  query: (text: string, values?: unknown[]) => Promise<{ rows: object[] }>
}

type Rows = Promise<{ rows: Array<Record<string, unknown>> }>

/** A SQLite file of a test's own: single statements, and write transactions, one after the other. */
interface FreshSqlite {
  client: { execute: (statement: string) => Rows }
  transaction: <Result>(fn: (tx: SqliteTransaction) => Promise<Result>) => Promise<Result>
}

/**
 * A SQLite file of this test's own, closed with the test.
 * @param schema statements that make its tables
 */
export async function freshSqlite (t: Test, schema: string): Promise<FreshSqlite> {
  const database = new Libsql(`${newFolder(t)}/test.db`)
  t.teardown(() => {
    database.close()
  })
  for (const statement of schema.split(/;\s*(?=CREATE)/)) database.exec(statement)
  // On one connection, a statement would otherwise be part of the transaction that happens to be open.
  let tail: Promise<unknown> = Promise.resolve()
  async function inTurn<Result> (work: () => Promise<Result>): Promise<Result> {
    const run = tail.then(work)
    tail = run.catch(() => {})
    return await run
  }
  async function inTransaction<Result> (fn: (tx: SqliteTransaction) => Promise<Result>): Promise<Result> {
    database.exec('begin immediate')
    try {
      const result = await fn({ state: 'open', query: async (text, values) => run(database, text, values) })
      database.exec('commit')
      return result
    } finally {
      if (database.inTransaction) database.exec('rollback')
    }
  }
  return {
    client: { execute: (statement) => inTurn(async () => run(database, statement)) },
    transaction: (fn) => inTurn(() => inTransaction(fn))
  }
}

function run (
  database: Libsql.Database,
  text: string,
  values: unknown[] = []
): { rows: Array<Record<string, unknown>> } {
  const prepared = database.prepare(text)
  if (prepared.reader) return { rows: prepared.all(values) as Array<Record<string, unknown>> }
  prepared.run(values)
  return { rows: [] }
}

function getName (): string {
  return `fresh_${randomBytes(6).toString('hex')}`
}

import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { buildApp, type App, type BuildOptions } from '../../app.ts'
import { readRun } from '../databases/run.ts'
import { until } from '../until.ts'

const newName = (): string => `past_${randomBytes(6).toString('hex')}`

async function onCluster (work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: readRun().postgres })
  await client.connect()
  await work(client).finally(() => client.end())
}

/** A copy of a PostgreSQL database as it is; nobody may be connected to it. Resolves to its URL. */
export async function copyPostgres (url: string): Promise<string> {
  const copy = new URL(url)
  const from = copy.pathname.slice(1)
  const to = newName()
  await onCluster((client) => client.query(`create database ${to} template ${from} strategy file_copy`))
  copy.pathname = to
  return copy.href
}

/** Puts one database in the place of another, under its name, as a restore or a failover does; sessions are ended. */
export async function replacePostgres (url: string, by: string): Promise<void> {
  const [name, other] = [new URL(url).pathname.slice(1), new URL(by).pathname.slice(1)]
  await onCluster(async (client) => {
    await client.query(`alter database ${name} allow_connections false`)
    await until('nobody is connected', async () => {
      const { rowCount } = await client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
        [
          name
        ]
      )
      return rowCount === 0
    })
    await client.query(`alter database ${name} rename to ${newName()}`)
    await client.query(`alter database ${other} rename to ${name}`)
  })
}

/** A copy of a MongoDB database as it is, under another name: its change stream knows nothing of what the first had. */
export async function copyMongo (name: string): Promise<string> {
  const client = await new MongoClient(readRun().mongodb, { w: 'majority' }).connect()
  const to = newName()
  try {
    for (const { name: collection } of await client.db(name).listCollections().toArray()) {
      const documents = await client.db(name).collection(collection).find().toArray()
      if (documents.length > 0) await client.db(to).collection(collection).insertMany(documents)
    }
    return to
  } finally {
    await client.close()
  }
}

/** An app on given databases; its log lines are kept. */
export async function buildOn (
  t: Test,
  settings: NonNullable<BuildOptions['settings']>,
  { level = 'info', ...options }: { level?: 'warn' | 'info'; plugins?: NonNullable<BuildOptions['plugins']> } = {}
): Promise<App & { lines: string[] }> {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const app = await buildApp({
    ...options,
    logger: { level, stream: { write: (line) => void stream.write(line) } },
    settings: { NODE_ENV: 'test', MONGODB_URL: readRun().mongodb, HOST: '127.0.0.1', PORT: 0, ...settings }
  })
  t.teardown(() => app.close())
  return Object.assign(app, { lines })
}

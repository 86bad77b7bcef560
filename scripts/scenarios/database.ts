import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbedded } from 'dev-databases'
import pg from 'pg'
import { SCHEMA } from './fixture.ts'

/** A PostgreSQL server for one run, and MongoDB where there is one. */
export interface Server {
  version: string
  /** Empty: there is none. */
  mongodbUrl: string
  /** Makes a database with the tables of the scenarios; gives its URL. */
  create: () => Promise<string>
  /** Drops what was made, and stops the server if it was started for this run. */
  stop: () => Promise<void>
}

/**
 * The servers of two URLs, else both are started in a temporary folder.
 * @param url server whose user may create databases
 * @param mongodbUrl a replica set whose user may write any database; without one no scenario of both stores is played
 */
export async function startServer (url: string | undefined, mongodbUrl = ''): Promise<Server> {
  if (url !== undefined && url !== '') return await databases(url, mongodbUrl, async () => {})
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-scenarios-'))
  const embedded = await startEmbedded({ dataDir, postgres: true, mongodb: true, postgresFlags: ['fsync=off'] })
  const { mongodb } = embedded
  const mongo = mongodb === undefined || mongodb.how === 'missing' ? '' : mongodb.url
  return await databases(embedded.postgres?.adminUrl ?? '', mongo, async () => {
    await embedded.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
}

async function databases (url: string, mongodbUrl: string, end: () => Promise<void>): Promise<Server> {
  const admin = new pg.Pool({ connectionString: url, max: 1 })
  const { rows } = await admin.query<{ version: string }>("select current_setting('server_version') as version")
  const names: string[] = []
  return {
    version: rows[0]?.version ?? '',
    mongodbUrl,
    async create () {
      const name = `scenarios_${randomBytes(6).toString('hex')}`
      await admin.query(`create database ${name}`)
      names.push(name)
      const own = new URL(url)
      own.pathname = `/${name}`
      const client = new pg.Client({ connectionString: own.href })
      await client.connect()
      await client.query(SCHEMA)
      await client.end()
      return own.href
    },
    async stop () {
      for (const name of names) await admin.query(`drop database ${name} with (force)`)
      await admin.end()
      await end()
    }
  }
}

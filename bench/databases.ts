import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbedded } from 'dev-databases'
import pg from 'pg'
import { migrate } from '../drizzle/migrate.ts'
import type { Databases } from './peers.ts'
import { cpuTime, familyCpuTime } from './process.ts'

/** Servers of a bench, in a temporary folder. */
export interface Servers {
  folder: string
  /** Makes a migrated database in each store. */
  make: (name: string) => Promise<Databases>
  /** Milliseconds of processor time that each server has used so far; undefined where the system does not tell. */
  cpu: () => ServerTimes
  stop: () => Promise<void>
}

/** Processor time of the database servers. */
export interface ServerTimes {
  postgres: number | undefined
  mongod: number | undefined
}

/**
 * Starts PostgreSQL and MongoDB with their usual settings: what is measured includes their fsync.
 * @param postgresFlags settings of PostgreSQL that differ, as `name=value`
 */
export async function startServers (postgresFlags: string[] = []): Promise<Servers> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-bench-'))
  const { postgres, mongodb, stop } = await startEmbedded({
    dataDir: folder,
    postgres: true,
    mongodb: true,
    postgresFlags,
    onProgress: console.error
  })
  if (postgres === undefined || mongodb === undefined || mongodb.how === 'missing') {
    throw new Error('the bench needs both databases')
  }
  return {
    folder,
    async make (name) {
      const client = new pg.Client(postgres.url)
      await client.connect()
      await client.query(`create database ${name}`)
      await client.end()
      const url = new URL(postgres.url)
      url.pathname = name
      await migrate(url.href)
      return { DATABASE_URL: url.href, MONGODB_URL: mongodb.url, MONGODB_DATABASE: name }
    },
    cpu: () => ({ postgres: familyCpuTime(postgres.pid), mongod: cpuTime(mongodb.pid) }),
    async stop () {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

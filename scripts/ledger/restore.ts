import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { readManifest } from '../pair/manifest.ts'
import { loadMongo, restoreFence } from '../pair/mongo.ts'
import { loadPostgres } from '../pair/postgres-restore.ts'
import { connectPostgres } from '../pair/postgres.ts'
import { takeBackup } from '../pair/take.ts'
import { becomeEqual, begin, countConfirmed, findLostPosts, findLostUsers, askTokens } from './aftermath.ts'
import { audit, untilQuiet } from './audit.ts'
import { brokenPromises, emptyTally } from './history.ts'
import { Processes } from './processes.ts'
import { withStores } from './run.ts'

/** The store that goes back in time. */
export type GoesBack = 'postgres' | 'mongodb'

export interface RestoreRunOptions {
  /** Folder for databases, backups and logs; must be empty or new. */
  dataDir: string
  /** Default: PostgreSQL, then MongoDB. */
  stores?: GoesBack[]
  /** Milliseconds of writing before the backup, after it, and after the restore. Default 1500. */
  writing?: number
  /** The compiled service, to run instead of server.ts. */
  server?: string | undefined
  /** Told a line for each store and each broken promise. */
  say?: (line: string) => void
}

/**
 * Restores one store alone to an earlier moment, and the other one not. What the other store owns must still be there,
 * no earlier token is confirmed, the copies become equal, and what is written afterwards keeps every promise.
 * @returns how many promises were broken
 */
export async function runRestores (options: RestoreRunOptions): Promise<number> {
  const { dataDir, stores = ['postgres', 'mongodb'], server, say = () => {} } = options
  const processes = await Processes.start({ dataDir, instances: 2, server })
  try {
    let broken = 0
    for (const [round, store] of stores.entries()) {
      const found = await runRestore(processes, store, `b${round}x`, options)
      say(`${store}: ${found} promises broken`)
      broken += found
    }
    return broken
  } finally {
    await processes.stop()
  }
}

async function runRestore (
  processes: Processes,
  store: GoesBack,
  prefix: string,
  { dataDir, writing = 1500, say = () => {} }: RestoreRunOptions
): Promise<number> {
  const folder = mkdtempSync(path.join(dataDir, 'backup-'))
  const first = begin(processes, `${prefix}a`, emptyTally())
  await sleep(writing)
  const { postgres: databaseUrl, mongodb: mongoUrl } = processes
  await takeBackup({ databaseUrl, mongoUrl, mongoDatabase: 'ledger' }, folder)
  await sleep(writing)
  const tokens = await askTokens(processes, prefix)
  const facts = await first.end()
  const revive = await processes.killServices()
  await (store === 'postgres' ? restorePostgres(databaseUrl, folder) : restoreMongo(mongoUrl, folder))
  await revive()
  const tally = emptyTally()
  const second = begin(processes, `${prefix}z`, tally)
  await sleep(writing)
  const after = await second.end()
  return await withStores(processes, async (stores) => {
    await untilQuiet(stores, `${prefix}z`)
    await audit(stores, `${prefix}z`, after, tally, say)
    const lost = store === 'postgres'
      ? await findLostPosts(stores, prefix, facts)
      : await findLostUsers(stores, prefix, facts)
    for (const fact of lost) say(`lost: ${JSON.stringify(fact)}`)
    const isEqual = await becomeEqual(stores, prefix)
    if (!isEqual) say('the copies are not equal')
    const lies = await countConfirmed(processes, tokens)
    if (lies > 0) say(`${lies} tokens of before were confirmed`)
    return brokenPromises(tally) + lost.length + lies + (isEqual ? 0 : 1)
  })
}

async function restorePostgres (url: string, folder: string): Promise<void> {
  const client = await connectPostgres(url, 'restore')
  try {
    await client.query('BEGIN')
    await loadPostgres(client, folder, readManifest(folder), () => {})
    await client.query('COMMIT')
  } finally {
    await client.end()
  }
}

async function restoreMongo (url: string, folder: string): Promise<void> {
  const client = new MongoClient(url)
  try {
    const { mongodb } = readManifest(folder)
    await loadMongo(client.db('ledger'), folder, mongodb, () => {})
    await restoreFence(client.db('ledger'), folder, mongodb)
  } finally {
    await client.close()
  }
}

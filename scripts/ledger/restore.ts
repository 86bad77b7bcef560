import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { readManifest } from '../pair/manifest.ts'
import { loadMongo, restoreFence } from '../pair/mongo.ts'
import { loadPostgres } from '../pair/postgres-restore.ts'
import { connectPostgres } from '../pair/postgres.ts'
import { takeBackup } from '../pair/take.ts'
import { audit, mongoPosts, mongoUsers, sameShelves, sqlPosts, sqlUsers, untilQuiet, type Stores } from './audit.ts'
import { brokenPromises, emptyTally, type Fact } from './history.ts'
import { Processes } from './processes.ts'
import { withStores } from './run.ts'
import { Writer } from './writer.ts'

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

const WRITERS = 4
const PATIENCE_MS = 60_000

/**
 * Restores one store alone to an earlier moment, and the other one not. What the other store owns must still be there,
 * no earlier token is confirmed, the copies become equal, and what is written afterwards keeps every promise.
 * @returns how many promises were broken
 */
export async function runRestores (options: RestoreRunOptions): Promise<number> {
  const { dataDir, stores = ['postgres', 'mongodb'], server, say = () => {} } = options
  const processes = await Processes.start(dataDir, 2, server)
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
  const first = begin(processes, `${prefix}a`)
  await sleep(writing)
  const { postgres: databaseUrl, mongodb: mongoUrl } = processes
  await takeBackup({ databaseUrl, mongoUrl, mongoDatabase: 'ledger' }, folder)
  await sleep(writing)
  const tokens = await askTokens(processes, prefix)
  const facts = await first.end()
  const revive = await processes.killServices()
  await (store === 'postgres' ? restorePostgres(databaseUrl, folder) : restoreMongo(mongoUrl, folder))
  await revive()
  const second = begin(processes, `${prefix}z`)
  await sleep(writing)
  const after = await second.end()
  return await withStores(processes, async (stores) => {
    const tally = emptyTally()
    await untilQuiet(stores, `${prefix}z`)
    await audit(stores, `${prefix}z`, after, tally, say)
    const lost = store === 'postgres' ? await lostPosts(stores, prefix, facts) : await lostUsers(stores, prefix, facts)
    for (const fact of lost) say(`lost: ${JSON.stringify(fact)}`)
    const isEqual = await becomeEqual(stores, prefix)
    if (!isEqual) say('the copies are not equal')
    const lies = await countConfirmed(processes, tokens)
    if (lies > 0) say(`${lies} tokens of before were confirmed`)
    return brokenPromises(tally) + lost.length + lies + (isEqual ? 0 : 1)
  })
}

function begin (processes: Processes, prefix: string): { end: () => Promise<Fact[]> } {
  const stop = new AbortController()
  const writers = Array.from({ length: WRITERS }, (_, at) => new Writer(processes.urls, `${prefix}${at}`, emptyTally()))
  const written = Promise.all(writers.map((writer) => writer.run(stop.signal)))
  return {
    async end () {
      stop.abort()
      await written
      return writers.flatMap(({ facts }) => facts)
    }
  }
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

/** Posts that were acknowledged, were not deleted, and whose author was not: their home has forgotten nothing. */
async function lostPosts (stores: Stores, prefix: string, facts: Fact[]): Promise<Fact[]> {
  const there = await mongoPosts(stores, prefix)
  const dead = new Set(
    facts.filter(({ kind, deleted }) => kind === 'user' && deleted !== undefined).map(({ marker }) => marker)
  )
  return facts.filter(({ kind, made, deleted, owner = '', marker }) =>
    kind === 'post' && made === 'acked' && deleted === undefined && !dead.has(owner) && !there.has(marker)
  )
}

/** The same of users, where MongoDB went back. */
async function lostUsers (stores: Stores, prefix: string, facts: Fact[]): Promise<Fact[]> {
  const there = await sqlUsers(stores, prefix)
  return facts.filter(({ kind, made, deleted, marker }) =>
    kind === 'user' && made === 'acked' && deleted === undefined && !there.has(marker)
  )
}

async function becomeEqual (stores: Stores, prefix: string): Promise<boolean> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(100)) {
    const isEqual = sameShelves(await sqlUsers(stores, prefix), await mongoUsers(stores, prefix)) &&
      sameShelves(await sqlPosts(stores, prefix), await mongoPosts(stores, prefix))
    if (isEqual) return true
  }
  return false
}

/** Tokens of writes that come after the backup. @throws where no write got one: nothing would be tried */
async function askTokens ({ urls: [url = ''] }: Processes, prefix: string): Promise<string[]> {
  const tokens: string[] = []
  for (let n = 0; n < 10; n++) {
    const response = await fetch(`${url}/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=5' },
      body: JSON.stringify({ name: 'token', email: `token${n}@${prefix}.example.com` })
    })
    const token = response.headers.get('consistency-token')
    await response.body?.cancel()
    if (token !== null) tokens.push(token)
  }
  if (tokens.length === 0) throw new Error('No write got a Consistency-Token: is the service ready?')
  return tokens
}

async function countConfirmed ({ urls: [url = ''] }: Processes, tokens: string[]): Promise<number> {
  let confirmed = 0
  for (const token of tokens) {
    const response = await fetch(`${url}/users/summary?limit=1`, {
      headers: { 'consistency-token': token, prefer: 'wait=0' }
    })
    await response.body?.cancel()
    if (response.headers.has('consistency-token')) confirmed++
  }
  return confirmed
}

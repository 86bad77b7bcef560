import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Client } from 'pg'
import { EmbeddedError } from './errors.ts'
import { serverAccount } from './postgres-account.ts'
import { findPostgres } from './postgres-binaries.ts'
import { createCluster, NAME, readPidFile, startCluster } from './postgres-cluster.ts'
import { isAlive, markOf, poll, readJson } from './processes.ts'
import type { EmbeddedServer, Progress } from './types.ts'
import type { ServerRecord } from './users.ts'

/** How PostgreSQL is started. `flags`: server settings as `name=value`, for example `fsync=off`. */
export interface PostgresOptions { dataDir: string, flags: string[], onProgress: Progress }

/** Adopts, starts or creates the PostgreSQL server of a data folder. Call it with the folder's lock held. */
export async function startPostgres ({ dataDir, flags, onProgress }: PostgresOptions): Promise<EmbeddedServer> {
  const recordFile = path.join(dataDir, 'servers', 'postgres.json')
  const last = readJson<ServerRecord>(recordFile)
  if (last !== undefined && isAlive(last)) {
    const version = await adopt(last)
    if (version !== undefined) return describe({ ...last, version }, 'adopted')
  }
  const account = serverAccount(existingCluster(dataDir) ?? dataDir)
  const binaries = findPostgres(dataDir, account, onProgress)
  const folder = path.join(dataDir, `pg${binaries.major}`)
  refuseOtherMajor(dataDir, binaries.major)
  const cluster = { folder, log: path.join(dataDir, 'postgres.log'), account, binaries, flags }
  const isNew = !existsSync(path.join(folder, 'PG_VERSION'))
  if (isNew) {
    onProgress(`Creating PostgreSQL ${binaries.major} in ${folder} (once)`)
    await createCluster(cluster)
  }
  const { mark, port } = await startCluster(cluster, last?.port)
  const record = { ...mark, port, version: '', source: binaries.source, folder }
  writeFileSync(recordFile, JSON.stringify(record))
  const version = await ensureDatabase(port)
  return describe({ ...record, version }, isNew ? 'created' : 'started')
}

/** Version of the running server, once it answers; undefined when it ended meanwhile (it was being stopped). */
async function adopt (record: ServerRecord): Promise<string | undefined> {
  const answer = await poll(30_000, 100, async () => isAlive(record) ? ensureDatabase(record.port).catch(() => undefined) : null)
  if (answer === undefined) throw new EmbeddedError('IN_USE', `PostgreSQL (pid ${record.pid}) runs in ${record.folder} but does not answer on port ${record.port}: end it and start again.`)
  return answer ?? undefined
}

function existingCluster (dataDir: string): string | undefined {
  const name = readdirSync(dataDir).find((entry) => /^pg\d+$/.test(entry))
  return name === undefined ? undefined : path.join(dataDir, name)
}

/** Data of another major version cannot be read by this one, and silently starting empty would look like lost data. */
function refuseOtherMajor (dataDir: string, major: number): void {
  const existing = existingCluster(dataDir)
  if (existing === undefined || existsSync(path.join(dataDir, `pg${major}`))) return
  throw new EmbeddedError('OTHER_VERSION', `${existing} holds data of PostgreSQL ${path.basename(existing).slice(2)}, this is ${major}: move it away to start with empty data, or set DATABASE_URL to a server of that version.`)
}

/** Makes the database on the first start (and after one that was killed just before it). Gives the server's version. */
async function ensureDatabase (port: number): Promise<string> {
  const client = new Client({ host: '127.0.0.1', port, user: NAME, database: 'postgres', ssl: false, connectionTimeoutMillis: 5000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query<{ version: string, is_there: boolean }>(
      `select current_setting('server_version') as version, exists (select from pg_database where datname = '${NAME}') as is_there`)
    if (rows[0]?.is_there === false) await client.query(`create database ${NAME}`)
    return rows[0]?.version ?? 'unknown'
  } finally {
    await client.end()
  }
}

function describe ({ pid, port, version, source }: ServerRecord, how: EmbeddedServer['how']): EmbeddedServer {
  return { url: `postgres://${NAME}@127.0.0.1:${port}/${NAME}`, pid, how, version, source }
}

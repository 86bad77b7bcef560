import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { EmbeddedError } from '../errors.ts'
import { readJson, writeJson } from '../system/json-files.ts'
import { serverAccount } from './account.ts'
import { findPostgres } from './binaries.ts'
import { ADMIN, closeCluster, closeRunning, prepareServer, SERVICE } from './access.ts'
import { createCluster, startCluster, tellPassword } from './cluster.ts'
import { forgetDeadServer, runningServer } from './pid-file.ts'
import { confirmPasswords, logFolder, readPasswords, type NewPasswords, type Passwords } from '../secrets.ts'
import { isAlive, poll } from '../system/processes.ts'
import type { EmbeddedServer, Progress } from '../types.ts'
import type { ServerRecord } from '../holders.ts'

/** How PostgreSQL is started. `flags`: server settings as `name=value`, for example `fsync=off`. */
export interface PostgresOptions {
  dataDir: string
  flags: string[]
  onProgress: Progress
}

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGKILL']
const ADOPT_MS = 30_000

/** Adopts, starts or creates the PostgreSQL server of a data folder. Call it with the folder's lock held. */
export async function startPostgres ({ dataDir, flags, onProgress }: PostgresOptions): Promise<EmbeddedServer> {
  const recordFile = path.join(dataDir, 'servers', 'postgres.json')
  const last = readJson<ServerRecord>(recordFile)
  const existing = existingCluster(dataDir)
  const running = findRunning(last, existing)
  const passwords = readPasswords(dataDir, 'postgres')
  const known = running === undefined ? undefined : await adopt(running, passwords)
  if (running !== undefined && known !== undefined) {
    writeJson(recordFile, running)
    confirmPasswords(dataDir, 'postgres', passwords)
    return describe({ ...running, version: known }, 'adopted', passwords)
  }
  const account = serverAccount(existing ?? dataDir)
  const binaries = findPostgres(dataDir, account, onProgress)
  const folder = path.join(dataDir, `pg${binaries.major}`)
  refuseOtherMajor(existing, folder)
  const log = path.join(logFolder(dataDir), 'postgres.log')
  const cluster = { folder, log, account, binaries, flags, passwords, onProgress }
  const isNew = !existsSync(folder)
  if (isNew) {
    onProgress(`Creating PostgreSQL ${binaries.major} in ${folder} (once)`)
    await createCluster(cluster)
  } else if (passwords.isNew || closeCluster(folder, account)) {
    forgetDeadServer(folder)
    await tellPassword(cluster)
  }
  const record = { version: '', source: binaries.source, folder, signals: SIGNALS, pgCtl: binaries.pgCtl }
  const started = await startCluster(cluster, last?.port, (server) => {
    writeJson(recordFile, { ...record, ...server })
  })
  const version = await prepareServer({ folder, port: started.port, passwords })
  confirmPasswords(dataDir, 'postgres', passwords)
  return describe({ ...record, ...started, version }, isNew ? 'created' : 'started', passwords)
}

/** By our own record, else by the server's pid file (the record is written a moment after the server is started). */
function findRunning (last: ServerRecord | undefined, folder: string | undefined): ServerRecord | undefined {
  if (last !== undefined && isAlive(last)) return last
  const running = folder === undefined ? undefined : runningServer(folder)
  if (running === undefined || folder === undefined) return undefined
  return { version: '', source: last?.source ?? 'started by something else', folder, signals: SIGNALS, ...running }
}

/** Version of the running server, once it answers; undefined when it ended meanwhile (it was being stopped). */
async function adopt (record: ServerRecord, passwords: NewPasswords): Promise<string | undefined> {
  const { pid, port, folder } = record
  const door = { folder, port, passwords }
  const answer = await poll(
    ADOPT_MS,
    100,
    async () => isAlive(record) ? await closeRunning(door).then(() => prepareServer(door)).catch(() => undefined) : null
  )
  if (answer !== undefined) return answer ?? undefined
  throw new EmbeddedError(
    'IN_USE',
    `PostgreSQL (pid ${pid}) runs in ${folder} but does not answer on port ${port}: end it and start again.`
  )
}

/** Folder of the newest cluster in the data folder. */
function existingCluster (dataDir: string): string | undefined {
  const majors = readdirSync(dataDir).flatMap((name) => /^pg(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  return majors.length === 0 ? undefined : path.join(dataDir, `pg${Math.max(...majors)}`)
}

/** Data of another major version cannot be read by this one, and silently starting empty would look like lost data. */
function refuseOtherMajor (existing: string | undefined, folder: string): void {
  if (existing === undefined || existing === folder) return
  const problem = `${existing} holds data of another PostgreSQL than ${path.basename(folder)}`
  throw new EmbeddedError(
    'OTHER_VERSION',
    `${problem}: move it away to start with empty data, or use a server of that version.`
  )
}

function describe (
  { pid, port, version, source }: ServerRecord,
  how: EmbeddedServer['how'],
  { service, admin }: Passwords
): EmbeddedServer {
  const place = `127.0.0.1:${port}/${ADMIN}`
  return {
    url: `postgres://${SERVICE}:${service}@${place}`,
    adminUrl: `postgres://${ADMIN}:${admin}@${place}`,
    pid,
    how,
    version,
    source
  }
}

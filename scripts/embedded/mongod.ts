import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { EmbeddedError } from './errors.ts'
import { explainMongod } from './mongod-errors.ts'
import { choosePort } from './ports.ts'
import { serverAccount } from './postgres-account.ts'
import { isAlive, launch, markOf, poll, readJson } from './processes.ts'
import { ensurePrimary, REPLICA_SET } from './replica-set.ts'
import { resolveMongod } from './resolve-mongod.ts'
import type { Mongod } from './resolve-mongod.ts'
import type { EmbeddedServer, MissingServer, Progress } from './types.ts'
import type { ServerRecord } from './users.ts'

/** How mongod is started. `flags`: further command line arguments, for example `--setParameter`, `enableTestCommands=1`. */
export interface MongodOptions { dataDir: string, flags: string[], onProgress: Progress }

/** Adopts, starts or creates the MongoDB server (a replica set of one) of a data folder. Call it with the folder's lock held. */
export async function startMongod ({ dataDir, flags, onProgress }: MongodOptions): Promise<EmbeddedServer | MissingServer> {
  const recordFile = path.join(dataDir, 'servers', 'mongodb.json')
  const last = readJson<ServerRecord>(recordFile)
  if (last !== undefined && isAlive(last) && await adopt(last)) return describe(last, 'adopted')
  const mongod = await resolveMongod(dataDir, onProgress)
  if ('reason' in mongod) return { how: 'missing', reason: mongod.reason }
  const folder = path.join(dataDir, 'mongodb')
  const isNew = mkdirSync(folder, { recursive: true }) !== undefined
  refuseSecondServer(folder)
  const record = await start(mongod, folder, flags, last?.port, recordFile)
  return describe(record, isNew ? 'created' : 'started')
}

async function adopt (record: ServerRecord): Promise<boolean> {
  const answer = await poll(30_000, 100, async () => isAlive(record) ? await ensurePrimary(record.port, 2000).then(() => true, () => undefined) : false)
  if (answer === undefined) throw new EmbeddedError('IN_USE', `mongod (pid ${record.pid}) runs in ${record.folder} but does not answer on port ${record.port}: end it and start again.`)
  return answer
}

/** A mongod somebody else started on our folder writes its pid there; ours is written down elsewhere and was looked at before. */
function refuseSecondServer (folder: string): void {
  const pid = Number(readText(path.join(folder, 'mongod.lock')))
  if (!(pid > 0) || !isAlive({ pid, started: '' }) || !readText(`/proc/${pid}/comm`).startsWith('mongod')) return
  throw new EmbeddedError('IN_USE', `${folder} is in use by mongod pid ${pid}: end it, or set MONGODB_URL to it.`)
}

function readText (file: string): string {
  try { return readFileSync(file, 'utf8').trim() } catch { return '' }
}

async function start (mongod: Mongod, folder: string, flags: string[], lastPort: number | undefined, recordFile: string): Promise<ServerRecord> {
  const log = path.join(path.dirname(folder), 'mongod.log')
  for (let attempt = 1, wanted = lastPort; ; attempt++, wanted = undefined) {
    const port = await choosePort(wanted)
    const launched = launch(mongod.binary, [...settings(folder, port), ...flags], { log, account: serverAccountOf(folder) })
    const record = { ...markOf(launched.child.pid ?? 0), port, version: mongod.version, source: mongod.source, folder }
    writeFileSync(recordFile, JSON.stringify(record))
    const answered = await poll(60_000, 25, () => launched.exited() !== undefined ? false : ensurePrimary(port, 500).then(() => true, () => undefined))
    if (answered === true) return record
    const isPortTaken = /Address already in use/i.test(launched.said())
    if (isPortTaken && attempt < 4) continue
    if (launched.exited() === undefined) launched.child.kill('SIGKILL')
    throw explainMongod(launched.exited() ?? 'no answer in time', launched.said(), folder, mongod, log)
  }
}

/** Root may run mongod; but a folder that belongs to an ordinary user must stay usable for that user. */
function serverAccountOf (folder: string): ReturnType<typeof serverAccount> {
  return undefined
}

function settings (folder: string, port: number): string[] {
  return [
    '--dbpath', folder, '--port', String(port), '--bind_ip', '127.0.0.1', '--replSet', REPLICA_SET, '--oplogSize', '64', '--wiredTigerCacheSizeGB', '0.25',
    '--setParameter', 'diagnosticDataCollectionEnabled=false', '--quiet', ...(process.platform === 'win32' ? [] : ['--nounixsocket']),
  ]
}

function describe ({ pid, port, version, source }: ServerRecord, how: EmbeddedServer['how']): EmbeddedServer {
  return { url: `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}`, pid, how, version, source }
}

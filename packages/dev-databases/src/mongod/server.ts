import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { EmbeddedError } from '../errors.ts'
import { readJson, writeJson } from '../system/json-files.ts'
import { launch } from '../system/launch.ts'
import { ADMIN, isAskedFor, isOpen, makeUsers, SERVICE } from './access.ts'
import { explainMongod } from './errors.ts'
import { choosePort, isListening } from '../system/ports.ts'
import { confirmPasswords, logFolder, readKeyFile, readPasswords, type NewPasswords } from '../secrets.ts'
import { isAlive, getMark, poll } from '../system/processes.ts'
import { ensurePrimary, REPLICA_SET } from './replica-set.ts'
import { resolveMongod } from './resolve.ts'
import type { Mongod } from './resolve.ts'
import type { EmbeddedServer, MissingServer, Progress } from '../types.ts'
import type { ServerRecord } from '../holders.ts'

/**
 * How mongod is started. `flags`: further command line arguments, for example `--setParameter`, `enableTestCommands=1`.
 */
export interface MongodOptions {
  dataDir: string
  flags: string[]
  onProgress: Progress
}

const SIGNALS: NodeJS.Signals[] = ['SIGTERM', 'SIGKILL']
const READY_MS = 60_000
const ADOPT_MS = 30_000
const PORT_ATTEMPTS = 4

/**
 * Adopts, starts or creates the MongoDB server (a replica set of one) of a data folder. Call it with the folder's lock
 * held.
 */
export async function startMongod (
  { dataDir, flags, onProgress }: MongodOptions
): Promise<EmbeddedServer | MissingServer> {
  const recordFile = path.join(dataDir, 'servers', 'mongodb.json')
  const folder = path.join(dataDir, 'mongodb')
  const last = readJson<ServerRecord>(recordFile)
  const passwords = readPasswords(dataDir, 'mongodb')
  const running = last !== undefined && isAlive(last) ? last : findRunning(folder, last)
  if (running !== undefined && await adopt(running, passwords)) {
    writeJson(recordFile, running)
    confirmPasswords(dataDir, 'mongodb', passwords)
    return describe(running, 'adopted', passwords)
  }
  const mongod = await resolveMongod(dataDir, onProgress)
  if ('reason' in mongod) return { how: 'missing', reason: mongod.reason }
  const isNew = !existsSync(path.join(folder, 'WiredTiger'))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const launching = { mongod, folder, dataDir, passwords, flags, onProgress }
  const started = await start(launching, last?.port, (record) => {
    writeJson(recordFile, record)
  })
  confirmPasswords(dataDir, 'mongodb', passwords)
  return describe(started, isNew ? 'created' : 'started', passwords)
}

/**
 * A server writes its pid into its folder; where the system shows command lines, they tell whether that process is it,
 * and its port.
 */
function findRunning (folder: string, last: ServerRecord | undefined): ServerRecord | undefined {
  const pid = Number(readText(path.join(folder, 'mongod.lock')).trim())
  const words = readText(`/proc/${pid}/cmdline`).split('\0')
  if (!words.includes(folder)) return undefined
  const port = Number(words[words.indexOf('--port') + 1])
  return {
    version: 'unknown',
    source: 'started by something else',
    ...last,
    ...getMark(pid),
    port,
    folder,
    signals: SIGNALS
  }
}

function readText (file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** False when it ended meanwhile: it was being stopped. */
async function adopt (record: ServerRecord, passwords: NewPasswords): Promise<boolean> {
  const { pid, port, folder } = record
  // A running mongod cannot be told to ask for passwords.
  if (await isOpen(port).catch(() => false)) {
    throw new EmbeddedError(
      'IN_USE',
      `mongod (pid ${pid}) in ${folder} was started without passwords, by an earlier version: end it and start again, which sets them.`
    )
  }
  const answer = await poll(
    ADOPT_MS,
    100,
    async () => isAlive(record) ? prepare(port, 2000, passwords).then(() => true, () => undefined) : false
  )
  if (answer !== undefined) return answer
  throw new EmbeddedError(
    'IN_USE',
    `mongod (pid ${pid}) runs in ${folder} but does not answer on port ${port}: end it and start again.`
  )
}

interface Launch {
  mongod: Mongod
  dataDir: string
  folder: string
  passwords: NewPasswords
  flags: string[]
  onProgress: Progress
}

/** Starts the server and waits until it is primary. `remember` is told of the process as soon as it exists. */
async function start (
  what: Launch,
  lastPort: number | undefined,
  remember: (record: ServerRecord) => void
): Promise<ServerRecord> {
  const { mongod, dataDir, folder, passwords, flags, onProgress } = what
  const log = path.join(logFolder(dataDir), 'mongod.log')
  const keyFile = readKeyFile(dataDir)
  const { binary, version, source } = mongod
  for (let attempt = 1, wanted = lastPort;; attempt++, wanted = undefined) {
    const port = await choosePort('MongoDB', wanted, onProgress)
    const { child, exited, said } = launch(binary, [...settings(folder, port), '--keyFile', keyFile, ...flags], log)
    const record = { ...getMark(child.pid ?? 0), port, version, source, folder, signals: SIGNALS }
    remember(record)
    let complaint = 'it does not listen'
    const answer = await poll(READY_MS, 25, async () => {
      if (exited() !== undefined) return false
      // The driver would look again only after half a second.
      if (!await isListening(port)) return undefined
      return await prepare(port, 500, passwords).then(() => true, (error: unknown) => {
        complaint = String(error)
      })
    })
    if (answer === true) return record
    // Somebody may have taken the port between our look and the server's.
    if (attempt < PORT_ATTEMPTS && /Address already in use/i.test(said())) continue
    throw explainMongod(
      exited() ?? `no good answer within ${READY_MS / 1000} s: ${complaint}`,
      said(),
      folder,
      mongod,
      log
    )
  }
}

/** Sees to it that the server is primary and has its users. */
async function prepare (port: number, answerMs: number, passwords: NewPasswords): Promise<void> {
  const admin = { username: ADMIN, password: passwords.admin }
  // A server without users takes the first steps from this machine without a password.
  if (!passwords.isNew) return await ensurePrimary(port, answerMs, admin)
  await ensurePrimary(port, answerMs, undefined).catch(async (error: unknown) => {
    if (!isAskedFor(error)) throw error
    await ensurePrimary(port, answerMs, admin)
  })
  await makeUsers(port, passwords)
}

function settings (folder: string, port: number): string[] {
  return [
    '--dbpath',
    folder,
    '--port',
    String(port),
    '--bind_ip',
    '127.0.0.1',
    '--replSet',
    REPLICA_SET,
    '--quiet',
    // A development machine has better uses for its memory and disk.
    '--oplogSize',
    '64',
    '--wiredTigerCacheSizeGB',
    '0.25',
    '--setParameter',
    'diagnosticDataCollectionEnabled=false',
    // A killed service's open transaction blocks its documents for that long; none of ours may last longer.
    '--setParameter',
    'transactionLifetimeLimitSeconds=10',
    // Random passwords need no slowing down; each connection would pay for it. The least that the server takes.
    '--setParameter',
    'scramSHA256IterationCount=5000',
    ...(process.platform === 'win32' ? [] : ['--nounixsocket'])
  ]
}

function describe (
  { pid, port, version, source }: ServerRecord,
  how: EmbeddedServer['how'],
  { service, admin }: NewPasswords
): EmbeddedServer {
  const place = `127.0.0.1:${port}/?replicaSet=${REPLICA_SET}&authSource=admin`
  return {
    url: `mongodb://${SERVICE}:${service}@${place}`,
    adminUrl: `mongodb://${ADMIN}:${admin}@${place}`,
    pid,
    how,
    version,
    source
  }
}

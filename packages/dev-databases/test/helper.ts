import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { MongoClient } from 'mongodb'
import { Client } from 'pg'
import type { Test } from 'tap'
import { startEmbedded } from '../src/index.ts'
import type { EmbeddedDatabases, EmbeddedOptions, EmbeddedServer, MissingServer } from '../src/index.ts'
import { isAlive } from '../src/system/processes.ts'
import { newFolder } from '../../../test/folder.ts'
import { until as untilIn } from '../../../test/until.ts'

type Server = EmbeddedServer | MissingServer | undefined

/** What another process says about its start. */
export type Answer = Pick<EmbeddedDatabases, 'postgres' | 'mongodb'> & {
  error?: { name: string; message: string; code: string }
}

/** Another process that uses the databases: what it got, and a way to let it leave and exit. */
export interface OtherUser {
  child: ChildProcess
  answer: Promise<Answer>
  end: () => Promise<void>
}

const QUICK = { postgresFlags: ['fsync=off'] }
const seen = new Map<number, string>()

/** Every process that was started through this helper and still runs, by pid. */
export function leftovers (): string[] {
  return [...seen].filter(([pid]) => isAlive({ pid, started: '' })).map(([pid, what]) => `${pid} ${what}`)
}

/** A data folder below a closed one (0700), as it is for a checkout in root's home. */
export function freshFolder (test: Test): string {
  return path.join(newFolder(test), 'data')
}

/** A folder anybody may enter. */
export function openFolder (test: Test): string {
  const folder = path.dirname(freshFolder(test))
  chmodSync(folder, 0o755)
  return folder
}

/** Environment variables for one test. */
export function setEnvironment (test: Test, values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name]
    const set = (to: string | undefined): void => {
      if (to === undefined) delete process.env[name]
      else process.env[name] = to
    }
    set(value)
    test.teardown(() => {
      set(before)
    })
  }
}

/** Writes an executable file. */
export function program (file: string, text: string): string {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, 0o755)
  return file
}

/** startEmbedded, stopped with the test. */
export async function start (test: Test, options: EmbeddedOptions): Promise<EmbeddedDatabases> {
  const databases = await startEmbedded({ ...QUICK, ...options })
  test.teardown(databases.stop)
  notice(databases, options.dataDir)
  return databases
}

/** Remembers the servers, and the reaper that watches over them, for `leftovers`. */
export function notice ({ postgres, mongodb }: Answer, dataDir: string): void {
  for (const server of [postgres, mongodb]) {
    if (server !== undefined && 'pid' in server) seen.set(server.pid, server.url)
  }
  const reaper = path.join(dataDir, 'reaper.json')
  if (existsSync(reaper)) seen.set(JSON.parse(readFileSync(reaper, 'utf8')).pid, `reaper of ${dataDir}`)
}

/**
 * startEmbedded in a process of its own, which can be killed. `ends`: it does not stay. `account`: user, group and
 * environment it runs with.
 */
export function otherUser (
  test: Test,
  options: EmbeddedOptions & { ends?: boolean },
  account: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {}
): OtherUser {
  const script = path.join(import.meta.dirname, 'other-user.ts')
  // Through a shell, because tap writes its own NODE_OPTIONS into what Node starts, and its files are closed to another
  // account.
  const command = [
    '-c',
    'unset NODE_OPTIONS; exec "$0" "$@"',
    process.execPath,
    '--import',
    'tsx',
    script,
    JSON.stringify({ ...QUICK, ...options })
  ]
  const child = spawn('/bin/sh', command, {
    ...account,
    cwd: path.join(import.meta.dirname, '..', '..', '..'),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const exit = once(child, 'exit')
  const end = async (): Promise<void> => {
    if (child.connected) child.send('stop')
    await exit
  }
  test.teardown(end)
  const answer = Promise.race([once(child, 'message'), exit]).then(([message]) => {
    if (typeof message !== 'object') throw new Error(`It ended with ${String(message)} before it said anything`)
    notice(message as Answer, options.dataDir)
    return message as Answer
  })
  return { child, answer, end }
}

/** Does the process of this server run? */
export function isRunning (server: Server): boolean {
  return server !== undefined && 'pid' in server && isAlive({ pid: server.pid, started: '' })
}

/** The server, or a failure that shows why there is none. */
export function running (server: Server): EmbeddedServer {
  if (server === undefined || !('pid' in server)) throw new Error(`No server: ${JSON.stringify(server)}`)
  return server
}

/** Port of a server. */
export function getPort (server: Server): number {
  return Number(new URL(running(server).url).port)
}

/** Runs SQL and gives its rows. */
export async function sql (server: Server, text: string): Promise<unknown[]> {
  const client = new Client(running(server).url)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** Stores a note in MongoDB, in a transaction: only a replica set has them. */
export async function note (server: Server, text: string): Promise<void> {
  await withMongo(
    server,
    (client) =>
      client.withSession((session) =>
        session.withTransaction(() => client.db('tandem').collection('notes').insertOne({ text }, { session }))
      )
  )
}

/** The notes in MongoDB, oldest first. */
export function notes (server: Server): Promise<string[]> {
  return withMongo(
    server,
    async (client) =>
      (await client.db('tandem').collection('notes').find().sort({ _id: 1 }).toArray()).map(({ text }) => text)
  )
}

async function withMongo<T> (server: Server, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(running(server).url, { serverSelectionTimeoutMS: 5000 })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

/** Waits until something is so, up to a minute; fails with `what` when it is not. */
export async function until (what: string, check: () => boolean): Promise<void> {
  await untilIn(what, check, 60_000)
}

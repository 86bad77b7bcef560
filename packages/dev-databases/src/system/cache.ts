import { accessSync, constants, mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/**
 * The folder of this user where server binaries are kept between runs and projects, undefined for a user without a
 * home. It need not exist.
 */
export function cacheFolder (): string | undefined {
  const base = process.env.XDG_CACHE_HOME || (process.platform === 'win32' ? process.env.LOCALAPPDATA : undefined) ||
    homeCache()
  return base === undefined ? undefined : path.resolve(base, 'tandem')
}

function homeCache (): string | undefined {
  try {
    return path.join(os.homedir(), '.cache')
  } catch {
    return undefined
  }
}

/** The cache folder, made if need be; `dataDir`/cache where this user has no home to write to. */
export function makeCacheFolder (dataDir: string): string {
  const folder = cacheFolder()
  try {
    if (folder === undefined) throw new Error('no home')
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return folder
  } catch {
    const own = path.join(dataDir, 'cache')
    mkdirSync(own, { recursive: true })
    return own
  }
}

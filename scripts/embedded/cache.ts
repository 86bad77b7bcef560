import { accessSync, constants, mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** The folder of this user where server binaries are kept between runs and projects. It need not exist. */
export function cacheFolder (): string {
  const base = process.env.XDG_CACHE_HOME ?? (process.platform === 'win32' ? process.env.LOCALAPPDATA : undefined) ?? path.join(os.homedir(), '.cache')
  return path.join(base, 'tandem')
}

/** The cache folder, made if need be; `dataDir`/cache where this user has no home to write to. */
export function makeCacheFolder (dataDir: string): string {
  for (const folder of [cacheFolder(), path.join(dataDir, 'cache')]) {
    try {
      mkdirSync(folder, { recursive: true })
      accessSync(folder, constants.W_OK)
      return folder
    } catch { continue }
  }
  return cacheFolder()
}

import { EmbeddedError, startEmbedded, type EmbeddedDatabases } from 'dev-databases'
import { readSettings } from '../plugins/config.ts'
import type { Settings } from '../schemas/settings.ts'
import { readEnvFile } from './env-file.ts'

/** The package that starts them knows no settings of this service. */
const SETTINGS = 'Servers that you run are named by DATABASE_URL and MONGODB_URL, the data folder by DATA_DIR.'

/** What `startMissing` has started, with the settings that lead there. */
export interface StartedDatabases extends EmbeddedDatabases {
  /** DATABASE_URL and MONGODB_URL of what was started; nothing for a MongoDB of which no binary could be had. */
  urls: Partial<Settings>
}

/**
 * Starts the databases for which neither the environment nor `.env` names a URL, under DATA_DIR.
 * @param onProgress told a line whenever something takes long
 * @throws SettingsError when settings are wrong, or a URL is missing in production; EmbeddedError when a server cannot
 * be had
 */
export async function startMissing (onProgress: (line: string) => void = console.error): Promise<StartedDatabases> {
  readEnvFile()
  const { DATABASE_URL, MONGODB_URL, DATA_DIR } = readSettings(process.env)
  const wanted = { postgres: DATABASE_URL === undefined, mongodb: MONGODB_URL === undefined }
  if (!wanted.postgres && !wanted.mongodb) return { urls: {}, stop: async () => {} }
  const databases = await startEmbedded({ dataDir: DATA_DIR, ...wanted, onProgress }).catch(nameSettings)
  const { postgres, mongodb } = databases
  if (mongodb?.how === 'missing') mongodb.reason.push(SETTINGS)
  const urls = {
    ...(postgres !== undefined && { DATABASE_URL: postgres.url }),
    ...(mongodb !== undefined && mongodb.how !== 'missing' && { MONGODB_URL: mongodb.url })
  }
  return { ...databases, urls }
}

function nameSettings (error: unknown): never {
  if (error instanceof EmbeddedError) error.message += ` ${SETTINGS}`
  throw error
}

import { existsSync } from 'node:fs'
import path from 'node:path'
import { loadEnvFile } from 'node:process'

/**
 * Reads `.env`, where there is one, into the environment; what is set there already stays. For commands of development:
 * production is given its environment, or `node --env-file=.env dist/server.js`.
 * @param folder where it lies; default: the root of the service
 */
export function readEnvFile (folder = path.join(import.meta.dirname, '..')): void {
  const file = path.join(folder, '.env')
  if (existsSync(file)) loadEnvFile(file)
}

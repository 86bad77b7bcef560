import { readdirSync } from 'node:fs'
import path from 'node:path'

/**
 * Runs every test file of a folder, in the order of names, as part of the entry file that calls it.
 * @param folder relative to test/
 */
export async function importTests (folder: string): Promise<void> {
  const home = path.join(import.meta.dirname, folder)
  for (const file of readdirSync(home).filter((name) => name.endsWith('.test.ts')).toSorted()) {
    await import(path.join(home, file))
  }
}

import { readdirSync } from 'node:fs'
import path from 'node:path'

/**
 * Runs every test file of a folder, in the order of names, as part of the entry file that calls it.
 * @param folder relative to test/
 * @param names of files without `.test.ts`; default: all
 */
export async function importTests (folder: string, names?: readonly string[]): Promise<void> {
  const home = path.join(import.meta.dirname, folder)
  const files = names?.map((name) => `${name}.test.ts`) ??
    readdirSync(home).filter((name) => name.endsWith('.test.ts')).toSorted()
  for (const file of files) await import(path.join(home, file))
}

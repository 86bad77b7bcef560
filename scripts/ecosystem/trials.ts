import { readdirSync } from 'node:fs'
import path from 'node:path'
import type { Trial } from './trial.ts'

const folder = path.join(import.meta.dirname, 'trials')

/** Trials of every file in trials/, by package. A file that lies there is part of the run. */
export async function loadTrials (): Promise<Trial[]> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'))
  const load = async (name: string): Promise<{ trials: Trial[] }> => await import(path.join(folder, name))
  const groups = await Promise.all(files.map(load))
  return groups.flatMap(({ trials }) => trials).toSorted((a, b) => a.package < b.package ? -1 : 1)
}

import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** Reads a JSON file written by us; undefined when it is absent or was cut off. */
export function readJson<T> (file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return undefined
  }
}

/**
 * Writes a JSON file in one step: a reader, or this process after it was killed, finds the old or the new content,
 * never half of it.
 */
export function writeJson (file: string, content: unknown): void {
  const part = `${file}.${process.pid}.part`
  writeFileSync(part, JSON.stringify(content))
  renameSync(part, file)
}

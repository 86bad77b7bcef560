import { existsSync, rmSync } from 'node:fs'

/** Removes a folder; false when those who still write there were faster. */
export function isRemoved (folder: string): boolean {
  try { rmSync(folder, { recursive: true, force: true }) } catch {}
  return !existsSync(folder)
}

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'

/**
 * An empty folder of the test's own, which only its user may enter; asked for first, it is removed last. (tap removes a
 * `t.testdir` before any teardown, while programs still write there, and when that fails it forgets the teardowns.)
 */
export function newFolder (t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

/** Removes a folder; false when those who still write there were faster. */
export function isRemoved (folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch {}
  return !existsSync(folder)
}

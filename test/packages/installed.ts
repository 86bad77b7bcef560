import type { Test } from 'tap'
import { installLocked } from '../../scripts/install-locked.ts'

/** Installs the packages of a folder; false where the registry does not answer, and the test is skipped and says so. */
export async function isInstalled (t: Test, folder: string, what: string): Promise<boolean> {
  try {
    await installLocked(folder, what)
    return true
  } catch (error) {
    t.comment(error)
    t.plan(0, 'the registry does not answer')
    return false
  }
}

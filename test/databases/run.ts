import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** The servers of one test run. */
export interface Run {
  /** URL of the PostgreSQL cluster, with the right to create databases. */
  postgres: string
  /** Database that tests clone. */
  template: string
  mongodb: string
  /** Folder with the service as JavaScript, for tests that start it as a process. */
  built: string
  /** Process that keeps the servers. */
  pid: number
}

const folder = path.join(import.meta.dirname, '..', '..', '.tap', 'databases')

// tap starts the set-up and every test file itself, so they have one parent; two runs do not meet.
const getFile = (tap: number): string => path.join(folder, `${tap}.json`)

/** Leaves word of the servers for the test files of the same run. */
export function writeRun (run: Run, tap: number): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(getFile(tap), JSON.stringify(run))
}

/** The servers of this run. */
export function readRun (tap = process.ppid): Run {
  try {
    return JSON.parse(readFileSync(getFile(tap), 'utf8')) as Run
  } catch (error) {
    throw new Error('No test databases: run test files with tap (npx tap test/…), which starts them.', { cause: error })
  }
}

/** Does the run's keeper still hold its servers? */
export function isRunning (tap = process.ppid): boolean {
  return existsSync(getFile(tap))
}

/** Removes what `writeRun` left. */
export function forgetRun (tap: number): void {
  rmSync(getFile(tap), { force: true })
}

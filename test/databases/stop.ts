// tap runs this once after the test files, also when some failed.
import { setTimeout as sleep } from 'node:timers/promises'
import { readRun } from './run.ts'

const { pid } = readRun()
process.kill(pid, 'SIGTERM')
for (let waited = 0; waited < 10_000 && isAlive(pid); waited += 50) await sleep(50)

function isAlive (target: number): boolean {
  try {
    return process.kill(target, 0)
  } catch {
    return false
  }
}

// tap runs this once after the test files, also when some failed.
import { isAlive, markOf, poll } from '../../scripts/embedded/processes.ts'
import { readRun } from './run.ts'

const { pid } = readRun()
const keeper = markOf(pid)
process.kill(pid, 'SIGTERM')
await poll(10_000, 50, () => isAlive(keeper) ? undefined : true)

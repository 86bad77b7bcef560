// tap runs this once after the test files, also when some failed.
import { poll } from 'dev-databases/processes'
import { isRunning, readRun } from './run.ts'

process.kill(readRun().pid, 'SIGTERM')
await poll(10_000, 50, () => isRunning() ? undefined : true)

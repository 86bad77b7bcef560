// tap runs this once before the test files.
import { startKeeper } from './keeper.ts'

if (await startKeeper(process.ppid) === undefined) process.exit(1)

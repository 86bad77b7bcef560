// The shell around every route, and what operators see of it.
import { importTests } from './import-tests.ts'

await importTests('app')
await importTests('admin')

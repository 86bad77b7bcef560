// The routes on both engines, and the repositories under them.
import { importTests } from './import-tests.ts'

await importTests('routes')
await importTests('repositories')
await importTests('examples')

// The catalogue of faults, docs/faults.md; the slow ones are run by npm run faults.
import { importTests } from './import-tests.ts'

await importTests('faults')

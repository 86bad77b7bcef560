// The transaction plugin on both stores at once.
import { importTests } from './import-tests.ts'

await importTests('../packages/transaction/test/two-phase')

// The transaction plugin on MongoDB.
import { importTests } from './import-tests.ts'

await importTests('../packages/transaction/test/mongo')

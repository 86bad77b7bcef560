// The transaction plugin on PostgreSQL.
import { importTests } from './import-tests.ts'

await importTests('../packages/transaction/test')

// The transaction plugin as a package, the scenarios it is compared by, and the plugins it is tried with.
import { importTests } from './import-tests.ts'

await importTests('../packages/transaction/test/package')
await importTests('comparisons')

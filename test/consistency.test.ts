// One fact in two databases.
import { importTests } from './import-tests.ts'

await importTests('consistency')

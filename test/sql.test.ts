// Pool, SQLite, migrations, prepared statements.
import { importTests } from './import-tests.ts'

await importTests('sql')
await importTests('drizzle')

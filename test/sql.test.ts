// Pool, SQLite, migrations.
import './sql/pool.test.ts'
import './sql/engines.test.ts'
import './sql/sqlite.test.ts'
import './sql/sqlite-transactions.test.ts'
import './sql/sqlite-files.test.ts'
import './drizzle/migrations.test.ts'

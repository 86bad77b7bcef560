// Fails when the tables of drizzle/ differ from what the migrations make.
import { findDrift } from '../drizzle/drift.ts'

for (const [dialect, statements] of Object.entries(await findDrift())) {
  if (statements.length === 0) continue
  console.error(
    `drizzle/${dialect}.ts differs from its migrations: run npm run db:generate -- --name <what> and commit what it writes`
  )
  for (const statement of statements) console.error(statement)
  process.exitCode = 1
}
process.exit()

import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: ['./drizzle/postgres.ts', './drizzle/postgres-only.ts'],
  out: './drizzle/migrations/postgres',
  // For `npm run db:studio`; migrations are made without a database.
  dbCredentials: { url: process.env['DATABASE_URL'] ?? '' }
})

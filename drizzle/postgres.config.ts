import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: ['./drizzle/postgres.ts', './drizzle/postgres-only.ts'],
  out: './drizzle/migrations/postgres'
})

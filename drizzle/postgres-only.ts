import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * PostgreSQL's halves of transactions in both stores that have committed, for as long as MongoDB keeps their decision.
 * Written by fastify-transaction; SQLite cannot prepare a transaction and has no such table.
 */
export const twoPhaseCommits = pgTable('two_phase_commits', {
  gid: text().primaryKey(),
  at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  confirmed_at: timestamp({ withTimezone: true })
})

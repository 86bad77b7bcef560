import type { Verdict } from './judge.ts'

const ADOPT = 'if they are meant to work together from now on, run `npm run resync -- adopt`'

/** Why the service does not work with its stores, and what to do; for the log. */
export const REFUSALS = {
  'sql is not of the pair':
    `the SQL database is empty or belongs to no pair, and MongoDB has one: point DATABASE_URL to the database of this pair, or restore it; ${ADOPT}`,
  'mongodb is not of the pair':
    `MongoDB is empty or belongs to no pair, and the SQL database has one: point MONGODB_URL and MONGODB_DATABASE to the database of this pair, or restore it; ${ADOPT}`,
  'two pairs':
    `the SQL database and MongoDB belong to different pairs: point DATABASE_URL or MONGODB_URL to the other half; ${ADOPT}`,
  'went back too often':
    'a store went back several times within ten minutes, as when two primaries are written to: make sure that there is one, then run `npm run resync`',
  'another server':
    'a connection leads to an SQL server that is behind the pair, an old primary perhaps: it is closed; make sure that it takes no connections'
} as const satisfies Partial<Record<Verdict, string>> & Record<string, string>

export type Refusal = keyof typeof REFUSALS

/**
 * Thrown instead of a connection to a store that does not belong to the other, or has been left behind. Code
 * `PAIR_REFUSED`, 503.
 */
export class FenceError extends Error {
  readonly code = 'PAIR_REFUSED'
  readonly statusCode = 503
  readonly retryAfter = 10
  readonly reason: Refusal

  constructor (reason: Refusal) {
    super(REFUSALS[reason])
    this.name = 'FenceError'
    this.reason = reason
  }
}

import { isClusterTime, type ClusterTime } from 'fastify-change-stream'

/** What a reader wants to see: writes of each store, named by how far its projection must have come. */
export interface Wanted {
  /** Ids of outbox events. */
  sql: string[]
  /** Cluster times of MongoDB. */
  mongo: ClusterTime[]
}

/** Writes that one request may ask for; a client that wrote more sends its newest tokens. */
const MOST = 8
/** The largest id that PostgreSQL and SQLite have: a larger one would fail the question for all who wait. */
const LARGEST = 2n ** 63n - 1n

/** A token for a write in SQL, or undefined for something that is no event's id. */
export function sqlToken (event: unknown): string | undefined {
  const isId = (typeof event === 'number' && Number.isSafeInteger(event) && event > 0) ||
    (typeof event === 'string' && /^[1-9]\d{0,18}$/.test(event) && BigInt(event) <= LARGEST)
  return isId ? `sql-${String(event)}` : undefined
}

/** A token for a write in MongoDB. */
export function mongoToken (time: ClusterTime): string {
  return `mongo-${time}`
}

/**
 * Reads a `Consistency-Token` header: one token, or several separated by commas.
 * @returns undefined when a part is no token of ours
 */
export function parseTokens (header: string): Wanted | undefined {
  const wanted: Wanted = { sql: [], mongo: [] }
  const parts = header.split(',').map((part) => part.trim()).filter((part) => part !== '')
  if (parts.length === 0 || parts.length > MOST) return undefined
  for (const part of parts) {
    const [, store, value = ''] = /^(sql|mongo)-([0-9a-f]{1,19})$/.exec(part) ?? []
    if (store === 'sql' && sqlToken(value) !== undefined) wanted.sql.push(value)
    else if (store === 'mongo' && isClusterTime(value)) wanted.mongo.push(value)
    else return undefined
  }
  return wanted
}

import { isClusterTime, type ClusterTime } from 'fastify-change-stream'

/** A write in SQL: the event of a thing, on its way to a copy. */
export interface SqlWrite {
  topic: string
  /** Names the pair of stores and its epoch: events of another one say nothing here. */
  timeline: string
  event: string
  key: string
}

/** A write in MongoDB: a moment in the stream of a collection. */
export interface MongoWrite {
  stream: string
  timeline: string
  time: ClusterTime
}

/** What a reader wants to see. */
export interface Wanted {
  sql: SqlWrite[]
  mongo: MongoWrite[]
  /** True where a token names no stream, as tokens did once: nothing can be said of its write. */
  isUnknown?: boolean
}

/** Writes that one request may ask for; a client that wrote more sends its newest tokens. */
const MOST = 8
/** The largest id that PostgreSQL and SQLite have: a larger one would fail the question for all who wait. */
const LARGEST = 2n ** 63n - 1n
const SQL = /^sql-([^-]+)-([0-9a-z]+)-(\d{1,19})-([^-]+)$/
const MONGO = /^mongo-([^-]+)-([0-9a-z]+)-([0-9a-f]{16})$/
const UNKNOWN = /^(?:sql-(\d{1,19})|mongo-[0-9a-f]{16})$/

/** True for something that can be the id of an event. */
export function isEvent (id: unknown): id is string | number {
  return (typeof id === 'number' && Number.isSafeInteger(id) && id > 0) ||
    (typeof id === 'string' && /^[1-9]\d{0,18}$/.test(id) && BigInt(id) <= LARGEST)
}

/** The token of a write in SQL. */
export function sqlToken ({ topic, timeline, event, key }: SqlWrite): string {
  return `sql-${encode(topic)}-${timeline}-${event}-${encode(key)}`
}

/** The token of a write in MongoDB. */
export function mongoToken ({ stream, timeline, time }: MongoWrite): string {
  return `mongo-${encode(stream)}-${timeline}-${time}`
}

/**
 * Reads a `Consistency-Token` header: one token, or several separated by commas.
 * @returns undefined when a part is no token of ours
 */
export function parseTokens (header: string): Wanted | undefined {
  const wanted: Wanted = { sql: [], mongo: [] }
  const parts = header.split(',').map((part) => part.trim()).filter((part) => part !== '')
  if (parts.length === 0 || parts.length > MOST) return undefined
  return parts.every((part) => addTo(wanted, part)) ? wanted : undefined
}

function addTo (wanted: Wanted, part: string): boolean {
  const [, topic, line = '', event, key] = SQL.exec(part) ?? []
  if (topic !== undefined) {
    const names = [decode(topic), decode(key ?? '')]
    if (event === undefined || !isEvent(event) || names.includes(undefined)) return false
    wanted.sql.push({ topic: names[0] ?? '', timeline: line, event, key: names[1] ?? '' })
    return true
  }
  const [, stream, timeline = '', time = ''] = MONGO.exec(part) ?? []
  const name = decode(stream ?? '')
  if (stream !== undefined && name !== undefined && isClusterTime(time)) {
    wanted.mongo.push({ stream: name, timeline, time })
    return true
  }
  const [text, id] = UNKNOWN.exec(part) ?? []
  if (text === undefined || (id !== undefined && !isEvent(id))) return false
  wanted.isUnknown = true
  return true
}

function encode (text: string): string {
  return /^\w+$/.test(text) ? text : encodeURIComponent(text).replaceAll('-', '%2D')
}

function decode (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

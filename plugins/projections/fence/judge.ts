import { randomUUID } from 'node:crypto'

/** How far one store says that the pair has come. */
interface Mark {
  /** Id of the pair of stores, made when they first met. */
  pair: string
  /** Begins anew each time a store went back. */
  epoch: number
  /** Grows while the pair works: in SQL first, then in MongoDB. */
  counter: number
}

/** What the SQL database says of itself, read in one statement. */
export interface SqlState {
  mark: (Mark & { /** What MongoDB is known to have. */ confirmed: number }) | undefined
  /** The highest id that was given to a user, and to an event. */
  user: number
  event: number
  /** Rounds of repair that are wanted and not done. */
  mends: number
}

/** What MongoDB says of itself and of the users it has a copy of. */
export interface MongoMarks {
  mark: (Mark & { /** When a repair began, newest last. */ mends: Date[] }) | undefined
  /** Highest `_id` and `_v` of the copies of users. */
  user: number
  event: number
  /** Highest `author_id` of the posts. */
  author: number
}

/** What the two stores are to each other. */
export type Verdict =
  | 'one'
  | 'new'
  | 'sql went back'
  | 'mongodb went back'
  | 'sql is not of the pair'
  | 'mongodb is not of the pair'
  | 'two pairs'

/**
 * Compares the stores. MongoDB must have been read first: what SQL says may be newer than what MongoDB says, never
 * older.
 * @param sql what SQL says
 * @param mongo what MongoDB said before
 */
export function judge (sql: SqlState, mongo: MongoMarks): Verdict {
  if (sql.mark === undefined) return mongo.mark === undefined ? 'new' : 'sql is not of the pair'
  // A mark that no MongoDB has confirmed was made while MongoDB was away.
  if (mongo.mark === undefined) return sql.mark.confirmed === 0 ? 'new' : 'mongodb is not of the pair'
  if (sql.mark.pair !== mongo.mark.pair) return 'two pairs'
  if (isBehind(sql, mongo)) return 'sql went back'
  if (sql.mark.epoch > mongo.mark.epoch || sql.mark.confirmed > mongo.mark.counter) return 'mongodb went back'
  return 'one'
}

/**
 * Compares SQL with MongoDB, or with what this process remembers of it while it cannot be read. Memory cannot tell that
 * MongoDB went back: SQL may have gone on beside another process.
 * @param read what MongoDB said; undefined where it did not answer
 */
export function judgeKnown (sql: SqlState, read: MongoMarks | undefined, remembered: MongoMarks | undefined): Verdict {
  if (read !== undefined) return judge(sql, read)
  const verdict = remembered === undefined ? 'new' : judge(sql, remembered)
  return verdict === 'mongodb went back' ? 'one' : verdict
}

/**
 * True when SQL has forgotten something that MongoDB knows of it. Without a mark the copies alone tell.
 * @param sql what SQL says
 * @param mongo what MongoDB said before
 */
export function isBehind (sql: SqlState, mongo: Omit<MongoMarks, 'author'>): boolean {
  const { mark } = mongo
  return sql.user < mongo.user || sql.event < mongo.event ||
    (mark !== undefined && sql.mark !== undefined && (sql.mark.epoch < mark.epoch ||
      (sql.mark.epoch === mark.epoch && sql.mark.counter < mark.counter)))
}

/**
 * True when SQL holds all that happened since the moment that MongoDB went back to: neither store went back in between.
 * @param sql what SQL says
 * @param mongo what MongoDB said before
 */
export function hasHistorySince (sql: SqlState, mongo: MongoMarks): boolean {
  return sql.mark !== undefined && mongo.mark !== undefined && sql.mark.pair === mongo.mark.pair &&
    sql.mark.epoch === mongo.mark.epoch && !isBehind(sql, mongo)
}

/** What a store says of which nothing is known. */
export const NOTHING: MongoMarks = { mark: undefined, user: 0, event: 0, author: 0 }

/**
 * What MongoDB would say, as far as SQL tells; not its sequences, which may have counted what no commit has made sure.
 */
export function toMarks (seen: SqlState | undefined): MongoMarks | undefined {
  return seen?.mark && { ...NOTHING, mark: { ...seen.mark, mends: [] } }
}

/** The mark of a new epoch, beyond all that either store knows. */
export function getNextMark (sql: SqlState, { mark }: MongoMarks): Mark {
  return {
    pair: choosePair(sql, mark),
    epoch: Math.max(sql.mark?.epoch ?? 0, mark?.epoch ?? 0) + 1,
    counter: Math.max(sql.mark?.counter ?? 0, mark?.counter ?? 0) + 1
  }
}

/** MongoDB's pair goes on where SQL has none, and the other way round; of two pairs a third is made. */
function choosePair (sql: SqlState, mark: MongoMarks['mark']): string {
  if (sql.mark === undefined) return mark?.pair ?? randomUUID()
  return mark === undefined || mark.pair === sql.mark.pair ? sql.mark.pair : randomUUID()
}

/** True for a server of the pair that has forgotten nothing. */
export function isUpToDate (sql: SqlState, marks: MongoMarks): boolean {
  return sql.mark !== undefined && (marks.mark === undefined || sql.mark.pair === marks.mark.pair) &&
    !isBehind(sql, marks)
}

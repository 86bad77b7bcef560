import type { ChangeStreamDocument, ClientSession, Collection, Document, ResumeToken } from 'mongodb'
import type { ClusterTime } from './time.ts'

/** The SQL transaction that holds the effect of a batch and the new position. */
export interface Sql {
  query: (text: string, values?: unknown[]) => Promise<{ rows: unknown[]; rowCount?: number | null }>
}

/** Runs a function in a transaction. */
export type RunSql = <Result>(fn: (tx: Sql) => Promise<Result>) => Promise<Result>

/**
 * Where a copy reads from: everything read with `session` is at least as new as the position the stream goes on from.
 */
export interface CopySource<Doc extends Document = Document> {
  collection: Collection<Doc>
  session: ClientSession
  /** From where the stream goes on after this copy, as text: to be kept by a copy that can be gone on with. */
  position: string
}

/** What a copy found and repaired, in numbers of your choice. */
export type CopyReport = Record<string, number>

/** What to do with the changes of one collection. */
export interface StreamOptions<Doc extends Document = Document> {
  /** Where the changes come from. A function, so that it is asked only when the client is connected. */
  collection: () => Collection<Doc>
  /**
   * Carries out changes in SQL, in their order. Runs in the transaction that moves the position, so an effect happens
   * exactly once; anything done elsewhere may happen again. Knows insert, update, replace, delete, and drop or rename
   * of the collection.
   */
  apply: (tx: Sql, changes: Array<ChangeStreamDocument<Doc>>) => Promise<void>
  /**
   * Makes the SQL side equal to the collection: at the first start, when the history was lost, and on `resync()`.
   * Needed unless `copyPages` is there.
   */
  copy?: (tx: Sql, source: CopySource<Doc>) => Promise<CopyReport | undefined | void>
  /**
   * In place of `copy`, for large collections: copies page by page, each in a transaction of its own that `run` gives.
   * While it runs the stream may be followed, and goes on from where the copy began: `apply` must bear to be repeated,
   * as an upsert does. One that was interrupted begins anew, so it should write only what differs, unless `copyFrom` says
   * where it began.
   */
  copyPages?: (run: RunSql, source: CopySource<Doc>) => Promise<CopyReport>
  /**
   * The `position` of a copy that was interrupted and is to be gone on with, undefined where there is none. The next
   * `copyPages` gets the same position where MongoDB still reaches back so far, and a new one where it does not.
   */
  copyFrom?: () => Promise<string | undefined>
  /** Stages for the stream, for example to leave out large fields. `_id` must stay. Default none. */
  pipeline?: Document[]
  /** `updateLookup` gives updates with the document as it is now, right for projections. Default `updateLookup`. */
  fullDocument?: 'default' | 'updateLookup' | 'required' | 'whenAvailable'
}

/** Where a stream stands. */
export interface Position {
  /** Where MongoDB goes on. */
  token: ResumeToken
  /** Everything up to and including this time is applied; a token alone may stand in the middle of a transaction. */
  through: ClusterTime | undefined
}

/** The right to follow a stream. */
export interface Leadership {
  /** Aborted when the right is lost. */
  lost: AbortSignal
  resign: () => Promise<void>
}

/** A stream as the table has it. */
export interface StreamGauge {
  stream: string
  /** False while no process holds the right to follow it. */
  isLed: boolean
  /** Since when the process that follows it does so; undefined where none does, or only one can. */
  ledSince: Date | undefined
  /** Milliseconds since the SQL side was last known to be equal to MongoDB. */
  currentMs: number
}

/** The table `change_streams` in one kind of database. */
export interface StreamStore {
  /** Waits until no other process follows the stream. */
  lead: (stream: string, signal: AbortSignal) => Promise<Leadership>
  /** One transaction; `timeout`: milliseconds the database may wait for its next statement, 0 for a copy. */
  transaction: <Result>(timeout: number, fn: (tx: Sql) => Promise<Result>) => Promise<Result>
  /** The stored position; undefined for a stream never followed. */
  read: (stream: string) => Promise<Position | undefined>
  /**
   * Moves the position if it is still at `from`; false when somebody else moved it. Holds its row until the transaction
   * ends.
   * @param current when the SQL side is equal to MongoDB, as far as this move makes it
   */
  move: (tx: Sql, stream: string, from: Position, to: Position, current: Date) => Promise<boolean>
  /** Holds the stream's row until the transaction ends, so that nobody moves it meanwhile. */
  lock: (tx: Sql, stream: string) => Promise<void>
  /** Sets the position after a copy and counts it. */
  set: (tx: Sql, stream: string, to: Position) => Promise<void>
  /** Who leads each stream, and how far each is. */
  measure: () => Promise<StreamGauge[]>
}

/** The three levels of a logger that the plugin writes to. */
export interface Log {
  info: (context: object, message: string) => void
  warn: (context: object, message: string) => void
  error: (context: object, message: string) => void
}

/** What a request hands over: something that happened, for whoever listens to `topic`. */
export interface NewEvent {
  /** Names the handler, for example `users`. */
  topic: string
  /** The thing the event is about; events of one key are applied in order when the topic asks for it. */
  key: string
  /** Any JSON value. State ("this is the user now") survives repeats and reordering better than commands. */
  payload: unknown
}

/** An event as a handler gets it. */
export interface OutboxEvent<Payload = unknown> {
  /** Row id as decimal digits: grows with each event, so it serves as a version of `key`. */
  id: string
  topic: string
  key: string
  payload: Payload
  /** Earlier tries that failed. */
  attempts: number
  createdAt: Date
}

/** An event that could not be applied although the target is there. */
export interface Failure {
  id: string
  error: unknown
  /** True: trying again cannot help, park it now. */
  park?: boolean
}

/**
 * Applies a batch, oldest event first. Resolves when all are applied, or with those that are not. A throw is looked at:
 * target away → the batch is tried again later; anything else → event by event, to find the bad one. An event may come
 * again after a crash, so applying it twice must be harmless.
 */
export type Apply<Payload = unknown> = (
  events: Array<OutboxEvent<Payload>>,
  context: { signal: AbortSignal }
) => Promise<Failure[] | undefined | void>

/**
 * The transaction an event is written in: `request.transaction`, a pg client inside BEGIN, anything with these members.
 */
export interface OutboxTransaction {
  query: (text: string, values: unknown[]) => Promise<{ rows: unknown[] }>
  /** `idle`, `opening` and `open` accept events. */
  readonly state?: string
  /** Of a pg client: `T` while a transaction is open. */
  getTransactionStatus?: () => string | null
  /** Runs a function after the COMMIT. Where it is there, the relay looks at once. */
  afterCommit?: (fn: () => void) => void
  /** Follows a promise that belongs to the transaction: when it fails and nobody listens, the transaction fails. */
  follow?: <Result>(work: Promise<Result>) => Promise<Result>
}

/** A failure as it is stored. */
export interface StoredFailure {
  id: string
  message: string
  park: boolean
}

export interface Settlement {
  done: string[]
  failed: StoredFailure[]
}

/** Which rows to claim, and how long the claim may last. */
export interface Claim {
  topic: string
  limit: number
  /** Only the oldest event of each key. */
  ordered: boolean
  /** Half of the oldest and half of the newest events, where more wait than are claimed. */
  bothEnds?: boolean
  /** Milliseconds after which the database may end a claim whose holder went silent. */
  timeout: number
}

/** Rows of one topic at one moment. */
export interface TopicGauge {
  topic: string
  /**
   * Rows that wait. Counted up to 1000; above it an estimate, which takes topics with so many for equally large: live
   * rows as PostgreSQL's statistics have them, or ids between the oldest and the newest row in SQLite.
   */
  waiting: number
  /** Rows that were given up; 1000 at most. */
  parked: number
  /** Age of the oldest waiting row in milliseconds. */
  oldestMs: number
}

export interface ParkedEvent extends OutboxEvent {
  parkedAt: Date
  lastError: string
}

/** The table `outbox` in one kind of database. */
export interface OutboxStore {
  /** Writes one row inside the caller's transaction; resolves to its id. */
  insert: (tx: OutboxTransaction, event: NewEvent) => Promise<string>
  /**
   * Claims rows that no other relay holds, calls `settle` with them, then deletes or marks them. Resolves to the number
   * of rows claimed. When `settle` throws, or the process dies, the rows are as before.
   */
  work: (claim: Claim, settle: (events: OutboxEvent[]) => Promise<Settlement>) => Promise<number>
  /** Those of the ids that are still in the table. */
  pending: (ids: string[]) => Promise<Set<string>>
  measure: () => Promise<TopicGauge[]>
  /** Parked rows, oldest first. */
  parked: (limit?: number) => Promise<ParkedEvent[]>
  /** Makes parked rows wait again with a fresh count of attempts; resolves to their ids. */
  replay: (ids: string[] | 'all') => Promise<string[]>
  /** Deletes parked rows for good; resolves to their ids. */
  discard: (ids: string[]) => Promise<string[]>
}

/** The three levels of a logger that the plugin writes to. */
export interface Log {
  info: (context: object, message: string) => void
  warn: (context: object, message: string) => void
  error: (context: object, message: string) => void
}

import type { Collection, Db } from 'mongodb'
import type { OperationOptions } from '../mongo/driver.ts'

/** How a transaction of both stores ends, as MongoDB knows it. `settled_at`: its PostgreSQL half has ended. */
export interface Decision {
  _id: string
  decision: 'commit' | 'abort'
  at: Date
  settled_at?: Date
}

/** A decision with its age in milliseconds, by the clock of MongoDB. */
export type Aged = Pick<Decision, '_id' | 'decision'> & { age: number }

export type Verdict = Decision['decision'] | 'undecided'

/** Milliseconds that one question to MongoDB may take. */
const longestQuestion = 2000
/** Seconds that an abort stays after its end: far longer than the server lets a transaction live that could collide with it. */
const tombstoneLife = 24 * 3600
const majority = { w: 'majority', journal: true, wtimeoutMS: longestQuestion } as const
const duplicate = 11000

/**
 * The decisions of MongoDB about transactions of both stores. A commit is written in the MongoDB transaction itself, so
 * it is there exactly when that half is; a missing one is made final by an abort under the same `_id`.
 */
export class Decisions {
  readonly #db: Db
  readonly #name: string

  /** @param name of the collection */
  constructor (db: Db, name: string) {
    this.#db = db
    this.#name = name
  }

  // Asked for each time: an app may refuse at once while its MongoDB is away.
  get #collection (): Collection<Decision> {
    return this.#db.collection<Decision>(this.#name)
  }

  /** Makes the collection, and has aborts removed a day after their end. */
  async createIndexes (): Promise<void> {
    await this.#collection.createIndex({ settled_at: 1 }, { expireAfterSeconds: tombstoneLife })
  }

  /** Writes a commit in the transaction that it is about, with the time of MongoDB: that of this process may be wrong. */
  async record (gid: string, options: OperationOptions): Promise<void> {
    const update = { $setOnInsert: { decision: 'commit' }, $currentDate: { at: true } } as const
    const { upsertedCount } = await this.#collection.updateOne({ _id: gid }, update, { ...options, upsert: true })
    if (upsertedCount !== 1) throw new Error(`${gid} is decided already`)
  }

  /**
   * Asks for a decision, and makes an abort of none. Never throws: without an answer, and while the record that is there
   * cannot be read by a majority, the transaction is undecided.
   */
  async decide (gid: string): Promise<Verdict> {
    try {
      const options = { writeConcern: majority, maxTimeMS: longestQuestion }
      // An upsert would not end at its time limit while a living process holds the record.
      await this.#collection.insertOne({ _id: gid, decision: 'abort', at: new Date() }, options)
      return 'abort'
    } catch (error) {
      if (!isDuplicate(error)) return 'undecided'
    }
    return await this.read(gid).catch(() => undefined) ?? 'undecided'
  }

  /** A decision as a majority knows it. */
  async read (gid: string): Promise<Decision['decision'] | undefined> {
    const options = { readConcern: 'majority', readPreference: 'primary', maxTimeMS: longestQuestion } as const
    return (await this.#collection.findOne({ _id: gid }, options))?.decision
  }

  /** Which of these have a record, whether a majority knows it or not. */
  async findKnown (gids: string[]): Promise<Set<string>> {
    const options = { projection: { _id: 1 }, readConcern: 'local', readPreference: 'primary' } as const
    const found = await this.#collection.find({ _id: { $in: gids } }, options).toArray()
    return new Set(found.map(({ _id }) => _id))
  }

  /**
   * Aborts, and commits older than some milliseconds, whose PostgreSQL half is not known to have ended. An abort is made
   * about what was prepared, so it needs no age.
   */
  async findOpen (minAge: number, limit: number): Promise<Aged[]> {
    const age = { $subtract: ['$$NOW', '$at'] }
    return await this.#collection.find<Aged>({
      settled_at: { $exists: false },
      $or: [{ decision: 'abort' }, { decision: 'commit', $expr: { $gt: [age, minAge] } }]
    }, {
      projection: { decision: 1, age },
      readConcern: 'majority',
      readPreference: 'primary',
      maxTimeMS: longestQuestion
    }).sort({ at: 1 }).limit(limit).toArray()
  }

  /** Removes commits whose PostgreSQL half is confirmed. */
  async remove (gids: string[]): Promise<void> {
    await this.#collection.deleteMany({ _id: { $in: gids }, decision: 'commit' }, { writeConcern: majority })
  }

  /** Notes that the PostgreSQL half of aborts has ended. */
  async settle (gids: string[]): Promise<void> {
    const filter = { _id: { $in: gids }, decision: 'abort' } as const
    await this.#collection.updateMany(filter, { $currentDate: { settled_at: true } }, { writeConcern: majority })
  }
}

function isDuplicate (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === duplicate
}

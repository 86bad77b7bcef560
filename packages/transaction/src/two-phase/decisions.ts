import type { Collection, Db } from 'mongodb'
import type { OperationOptions } from '../mongo/driver.ts'

/** How a transaction of both stores ends, as MongoDB knows it. `settled_at`: its PostgreSQL half has ended. */
export interface Decision {
  _id: string
  decision: 'commit' | 'abort'
  at: Date
  settled_at?: Date
}

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

  /** Writes a commit in the transaction that it is about. */
  async record (gid: string, options: OperationOptions): Promise<void> {
    await this.#collection.insertOne({ _id: gid, decision: 'commit', at: new Date() }, options)
  }

  /**
   * Asks for a decision, and makes an abort of none. Never throws: without an answer, and while the record that is there
   * cannot be read by a majority, the transaction is undecided.
   */
  async decide (gid: string): Promise<Verdict> {
    try {
      const options = { writeConcern: majority, maxTimeMS: longestQuestion }
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

  /** Records whose PostgreSQL half is not known to have ended, the oldest first. */
  async findOpen (before: Date, limit: number): Promise<Decision[]> {
    return await this.#collection.find({ settled_at: { $exists: false }, at: { $lt: before } }, {
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
    await this.#collection.updateMany({ _id: { $in: gids }, decision: 'abort' }, { $set: { settled_at: new Date() } }, {
      writeConcern: majority
    })
  }
}

function isDuplicate (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === duplicate
}

import { setTimeout as sleep } from 'node:timers/promises'
import { getSqliteCode, type SqliteConnection } from './connection.ts'
import { Semaphore } from './semaphore.ts'

/** Bounds of a pool: milliseconds, and how many may queue. */
export interface PoolLimits {
  timeout: number
  maxWaiting: number
}

const LONGEST_PAUSE_MS = 50
const never = () => false

/**
 * Connections that all read or all write, taken in the order of asking. Waiting for a lock that another process holds
 * happens here, asynchronously: inside the driver it would stop the whole process.
 */
export class SqliteConnectionPool {
  readonly #open: () => SqliteConnection
  readonly #limits: PoolLimits
  readonly #semaphore: Semaphore
  readonly #all = new Set<SqliteConnection>()
  #idle: SqliteConnection[] = []
  #isClosed = false

  /**
   * @param open makes a connection
   * @param places how many may be in use at a time
   */
  constructor (open: () => SqliteConnection, places: number, limits: PoolLimits) {
    this.#open = open
    this.#limits = limits
    this.#semaphore = new Semaphore(places, limits)
  }

  /** Connections that are open, and statements or transactions that wait for one. */
  get counts (): { open: number; idle: number; waiting: number } {
    return { open: this.#all.size, idle: this.#idle.length, waiting: this.#semaphore.waiting }
  }

  /**
   * Takes a connection with a first statement, which is tried again while another process holds the lock. Give it back
   * with `give`.
   *
   * @param isAborted true once the caller has given up
   * @throws the driver's SQLITE_BUSY when the lock was not free in time, PoolTimeoutError when this process was too
   * busy
   */
  async take<Result> (
    first: (connection: SqliteConnection) => Result,
    isAborted = never
  ): Promise<{ connection: SqliteConnection; result: Result }> {
    await this.#semaphore.acquire(isAborted)
    const until = performance.now() + this.#limits.timeout
    for (let pause = 1;; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      let connection: SqliteConnection | undefined
      try {
        connection = this.#connection()
        return { connection, result: first(connection) }
      } catch (error) {
        const isLate = performance.now() >= until || isAborted() || this.#isClosed
        if (isLate || !getSqliteCode(error).startsWith('SQLITE_BUSY')) {
          this.give(connection)
          throw error
        }
        this.#drop(connection)
      }
      await sleep(pause)
    }
  }

  /**
   * Gives a connection back: rolled back when a transaction was left open, closed when an error has made it unusable.
   */
  give (connection: SqliteConnection | undefined): void {
    if (connection?.isInTransaction === true) connection.end('rollback')
    if (connection?.isBroken === true || this.#isClosed) this.#drop(connection)
    else if (connection !== undefined) this.#idle.push(connection)
    this.#semaphore.release()
  }

  /** Closes every connection, also those in use. */
  close (): void {
    this.#isClosed = true
    for (const connection of this.#all) connection.close()
    this.#all.clear()
    this.#idle = []
  }

  #connection (): SqliteConnection {
    if (this.#isClosed) throw new Error('The database is closed.')
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    const opened = this.#open()
    this.#all.add(opened)
    return opened
  }

  #drop (connection: SqliteConnection | undefined): void {
    if (connection === undefined) return
    this.#all.delete(connection)
    connection.close()
  }
}

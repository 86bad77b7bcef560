import type { Db, MongoClient } from 'mongodb'
import type { Pool } from 'pg'
import { outsideTransaction } from '../core/outside-queries.ts'
import { ConnectionLostError, TransactionUsageError } from '../errors.ts'
import { isConnectionProblem, sqlState } from '../postgres/errors.ts'
import { Decisions } from './decisions.ts'
import { isPair } from './gid.ts'
import { defaultCollection, defaultTable, tableSql, type TwoPhaseOptions } from './options.ts'
import { readOwnPair } from './own-pair.ts'
import { PreparedHalves } from './prepared.ts'

export interface StoresOptions extends TwoPhaseOptions {
  pool: Pool
  mongo: { client: MongoClient; db: Db }
  /** Seconds. */
  retryAfter: number
}

interface Checked {
  /** With its schema, quoted. */
  table: string
  halves: PreparedHalves
}

/** Both stores of two-phase transactions, once they are known to be able to have some. */
export class TwoPhaseStores {
  readonly decisions: Decisions
  readonly #options: StoresOptions
  #checking: Promise<Checked> | undefined
  #checked: Checked | undefined
  #pair: string | undefined

  constructor (options: StoresOptions) {
    const { mongo, collection = defaultCollection } = options
    this.#options = options
    this.decisions = new Decisions(mongo.db, collection)
  }

  /** What the check found; undefined before it. */
  get checked (): Checked | undefined {
    return this.#checked
  }

  /**
   * Checks once that both stores can do it. While one is away this throws, and the next call tries again.
   * @throws TransactionUsageError where a store cannot do it at all
   */
  async check (): Promise<Checked> {
    if (this.#checked !== undefined) return this.#checked
    this.#checking ??= outsideTransaction(() => this.#check()).finally(() => {
      this.#checking = undefined
    })
    return await this.#checking
  }

  /**
   * The pair that both stores were when it was last read. A commit asks for nothing: it holds a connection, and must not
   * wait for another.
   * @throws ConnectionLostError, which means 503, where it is not known
   */
  getPair (label: string): string {
    const pair = this.#options.pair === undefined ? this.#pair : this.#options.pair()
    if (pair !== undefined) return this.#checkPair(pair)
    const cause = new Error('PostgreSQL and MongoDB do not belong together, or that is not known')
    throw new ConnectionLostError(label, this.#options.retryAfter, cause)
  }

  /** Asks for the pair that both stores are now; undefined where they are none, or that is not known. */
  async readPair (): Promise<string | undefined> {
    const { pair, compare } = this.#options
    if (pair === undefined) return this.#pair = await this.#readOwnPair()
    await compare?.()
    const found = pair()
    return found === undefined ? undefined : this.#checkPair(found)
  }

  #checkPair (pair: string): string {
    if (isPair(pair)) return pair
    throw new TransactionUsageError(
      'twoPhase.pair returned what cannot name a pair of stores: return 1 to 64 letters, digits, _, . or -'
    )
  }

  async #readOwnPair (): Promise<string | undefined> {
    const { pool, mongo: { db }, collection = defaultCollection } = this.#options
    return this.#checked && await readOwnPair(pool, this.#checked.table, db, collection)
  }

  async #check (): Promise<Checked> {
    const { pool, mongo: { db } } = this.#options
    const table = await this.#checkPostgres()
    const hello = await db.command({ hello: 1 })
    if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid') {
      throw new TransactionUsageError(
        "crossStore: 'two-phase' needs MongoDB to be a replica set; start mongod with --replSet and run rs.initiate() once"
      )
    }
    await this.decisions.createIndexes()
    this.#checked = { table, halves: new PreparedHalves(pool, table) }
    await this.readPair()
    return this.#checked
  }

  async #checkPostgres (): Promise<string> {
    const { pool, table } = this.#options
    const { rows: [row] } = await pool.query<{ most: number; table: string | null }>(
      `SELECT current_setting('max_prepared_transactions')::int AS most,
         (SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
          WHERE pg_class.oid = to_regclass($1)) AS table`,
      [table ?? defaultTable]
    )
    if (row === undefined || row.most === 0) {
      throw new TransactionUsageError(
        "crossStore: 'two-phase' needs PostgreSQL to prepare transactions, and max_prepared_transactions is 0; set it to the connections of all pools and restart the server"
      )
    }
    if (row.table !== null) return row.table
    throw new TransactionUsageError(
      `crossStore: 'two-phase' needs the table ${table ?? defaultTable} in PostgreSQL; make it by: ${tableSql(table)}`
    )
  }
}

/** Whether a store is away, so that a later check may succeed. */
export function isAway (error: unknown): boolean {
  if (error instanceof TransactionUsageError) return false
  return isConnectionProblem(error) || sqlState(error) === undefined
}

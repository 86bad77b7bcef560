import type { Pool } from 'pg'
import { sqlState } from '../postgres/errors.ts'
import { gidPrefix } from './gid.ts'
import type { Decision } from './decisions.ts'

/** A prepared transaction of this package. */
export interface Prepared {
  gid: string
  /** Milliseconds since PREPARE, by the clock of PostgreSQL. */
  age: number
}

const undefinedObject = '42704'

/** The message that prepares a transaction whose work is done. */
export function prepareSql (table: string, gid: string): string {
  // Deferred checks run as the request's role; then COMMIT PREPARED, on any connection of the pool, needs the pool's own.
  return `SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL session_authorization TO DEFAULT; SET LOCAL role TO DEFAULT; ` +
    `INSERT INTO ${table} (gid) VALUES ('${gid}'); PREPARE TRANSACTION '${gid}'`
}

/** The statement that ends a prepared transaction. */
export function finishSql (decision: Decision['decision'], gid: string): string {
  return `${decision === 'commit' ? 'COMMIT' : 'ROLLBACK'} PREPARED '${gid}'`
}

/**
 * The PostgreSQL halves of transactions of both stores. A half that is committed has left a row with its name, by which
 * it is told from one that was lost.
 */
export class PreparedHalves {
  readonly #pool: Pool
  readonly #table: string

  /** @param table with its schema, quoted */
  constructor (pool: Pool, table: string) {
    this.#pool = pool
    this.#table = table
  }

  /** What is prepared in this database, the oldest first. */
  async list (): Promise<Prepared[]> {
    const { rows } = await this.#pool.query<{ gid: string; age: string }>(
      `SELECT gid, extract(epoch FROM clock_timestamp() - prepared) * 1000 AS age FROM pg_prepared_xacts
       WHERE database = current_database() AND starts_with(gid, $1) ORDER BY prepared`,
      [gidPrefix]
    )
    return rows.map(({ gid, age }) => ({ gid, age: Math.max(0, Number(age)) }))
  }

  /**
   * Ends a prepared transaction.
   * @returns false where there is none of this name
   * @throws the driver's error, also while another session ends it
   */
  async finish (decision: Decision['decision'], gid: string): Promise<boolean> {
    try {
      await this.#pool.query(finishSql(decision, gid))
      return true
    } catch (error) {
      if (sqlState(error) !== undefinedObject) throw error
      return false
    }
  }

  /**
   * Which of these have committed. In a transaction of its own, whose COMMIT waits for a synchronous standby as theirs may
   * not have.
   */
  async confirm (gids: string[]): Promise<Set<string>> {
    const { rows } = await this.#pool.query<{ gid: string }>(
      `UPDATE ${this.#table} SET confirmed_at = clock_timestamp() WHERE gid = ANY($1) RETURNING gid`,
      [gids]
    )
    return new Set(rows.map(({ gid }) => gid))
  }

  /** Rows that are older than this many seconds. */
  async findOld (seconds: number, limit: number): Promise<string[]> {
    const { rows } = await this.#pool.query<{ gid: string }>(
      `SELECT gid FROM ${this.#table} WHERE at < clock_timestamp() - make_interval(secs => $1) AND gid LIKE '${gidPrefix}%' LIMIT ${limit}`,
      [seconds]
    )
    return rows.map(({ gid }) => gid)
  }

  /** Forgets halves that MongoDB has no decision about any more. */
  async forget (gids: string[]): Promise<void> {
    await this.#pool.query(`DELETE FROM ${this.#table} WHERE gid = ANY($1)`, [gids])
  }
}

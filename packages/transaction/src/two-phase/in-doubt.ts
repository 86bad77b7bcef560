/** Why a transaction of both stores has not ended: see docs/two-phase.md. */
export type Doubt = 'waiting' | 'undecided' | 'another pair' | 'lost half'

/** A transaction of both stores whose end is still to come, or that somebody must look at. */
export interface InDoubt {
  /** Its name in `pg_prepared_xacts`, and the `_id` of its decision. */
  gid: string
  /**
   * `waiting`: its own process may still be at work. `undecided`: MongoDB has not answered yet. `another pair`: it was
   * prepared beside another MongoDB, or before one was restored. `lost half`: MongoDB decided to commit, and PostgreSQL
   * knows nothing of it.
   */
  doubt: Doubt
  /** Milliseconds since it was prepared, or decided. */
  age: number
}

/** The rules `pg.Pool` does not have; SQLAlchemy's names are in docs/pool.md. */
export interface PoolRules {
  /** Connections kept when idle. `max` of the pool is this plus the overflow. */
  size: number
  /** Longer queues are refused at once. */
  maxWaiting: number
  /** Ping a connection before an autocommit statement when it was idle for a while. Transactions ping by BEGIN. */
  prePing: boolean
  /** Milliseconds an autocommit statement may take before its connection is given up. */
  queryTimeout: number
  /** True: the guard is asked at each checkout. Default: once for each connection. */
  guardsAlways?: boolean
  /** Told once why no connection can be had, when that begins. */
  onRefused?: (error: Error) => void
}

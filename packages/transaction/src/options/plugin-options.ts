import type { Db, MongoClient } from 'mongodb'
import type { Pool } from 'pg'
import type { Observe } from '../core/observe.ts'
import type { RouteTransactionOptions } from './route-options.ts'
import type { SqlDriver, SqlHandles } from '../core/sql.ts'
import type { GivenHandle } from '../handles.ts'
import type { TwoPhaseOptions } from '../two-phase/options.ts'

/** Options of the plugin. Times are milliseconds, `retryAfter` is seconds. */
export interface TransactionPluginOptions {
  /** The pool that SQL transactions take their connections from. The plugin never ends it. */
  pool?: Pool
  /** Another SQL store than a pg pool; instead of `pool`. */
  sql?: SqlDriver
  /** How `request.db` is made; see `drizzleHandles`. Default: none, use `request.transaction.query`. */
  db?: SqlHandles<GivenHandle>
  /**
   * The client and database of `store: 'mongo'`. Transactions need a replica set.
   * `instance`: the client's `appName`, where no other running process connects under it; what a killed process of that
   * name left open is then ended at boot. Default: nothing is ended.
   */
  mongo?: { client: MongoClient; db: Db; instance?: string | undefined }
  /**
   * Transactions in both stores, `crossStore: 'two-phase'`; `{}` has `app.transaction` begin some too. Needs `pool` and
   * `mongo`. Default: its defaults, once a route declares it.
   */
  twoPhase?: TwoPhaseOptions
  /** Methods whose routes get a transaction without asking. Default: none. */
  methods?: string[]
  /** Route options where a route does not say otherwise. */
  defaults?: RouteTransactionOptions
  /**
   * How long dead connections are replaced, and a full pool without a `connectionTimeoutMillis` of its own is waited
   * for, before a request gets 503. Default 3000.
   */
  checkoutTimeout?: number
  /** How long BEGIN may take before its connection counts as dead. Default 1000. */
  beginTimeout?: number
  /**
   * Send BEGIN and the first statement in one packet, a round trip less. Where their connection turns out dead both are
   * sent again on another one: nothing can have been stored before COMMIT. First statements without values, routes with
   * `stream` and pg before 8.23 wait for BEGIN. Default true.
   */
  pipelineBegin?: boolean
  /** How long COMMIT may take before its outcome counts as unknown. Default 5000. */
  commitTimeout?: number
  /**
   * How long a transaction that a hook has begun may be open while the body is still arriving; then 408. Default 1000;
   * 0: no bound.
   */
  bodyTimeout?: number
  /**
   * Puts everything under this name: `request.billing.transaction`, `request.billing.db`, `request.billing.mongo` and
   * `app.billing.transaction`. Routes say `config: { transaction: { name: 'billing' } }`. For a second database, or
   * where an app has decorators of the usual names already. Default: none.
   */
  name?: string
  /** `Retry-After` of 503 answers. Default 1. */
  retryAfter?: number
  /** Put before route and request id in `application_name`, for example the service's name. Default none. */
  applicationName?: string
  /**
   * Refuse a second checkout inside a transaction, and MongoDB operations that forgot the session. Default: unless
   * NODE_ENV is production.
   */
  detectOutsideQueries?: boolean
  /** How long closing the app waits for after-commit callbacks; 0: as long as they take. Default 10000. */
  closeTimeout?: number
  /**
   * Undo what statements have set for the session (settings, role, LISTEN, advisory locks, temporary tables) before its
   * connection goes back to the pool; prepared statements stay. Costs the connection a round trip, which no reply waits
   * for. Default false.
   */
  resetSession?: boolean
  /** Called with each transaction that sends something, for metrics and tracing. Default none. */
  observe?: Observe
}

import type { FastifyRequest } from 'fastify'
import {
  isBoolean,
  isFunction,
  isOneOf,
  isRetryCount,
  isTime,
  mistakesIn,
  nearest,
  unknownOption,
  type Check
} from './checks.ts'
import { connectionOptions, pluginChecks } from './plugin-checks.ts'

/**
 * How a transaction that makes truth in both stores keeps them in step: `outbox` writes an event in SQL that is carried
 * over, `two-phase` commits in both or in neither.
 */
export type CrossStore = 'outbox' | 'two-phase'

/** Options of one transaction. Times are milliseconds; 0 or undefined means: no bound of this plugin's. */
export interface TransactionOptions {
  /** Which store the transaction lives in. Default `sql`. */
  store?: 'sql' | 'mongo'
  /** SQL. Default: the server's default (read committed on PostgreSQL). */
  isolationLevel?: 'read committed' | 'repeatable read' | 'serializable'
  /** SQL. `read only` makes the database refuse writes (25006). Default: the server's default. */
  accessMode?: 'read only' | 'read write'
  /** SQL. Only with serializable and read only. Default false. */
  deferrable?: boolean
  /**
   * How often the whole handler runs again after a serialization failure, a deadlock or a transient transaction error.
   * 0–20, default 0.
   */
  retries?: number
  /**
   * Longest life of the transaction, waits for a connection and all retries included; then 504 and rollback. Never
   * interrupts a COMMIT.
   */
  deadline?: number
  /** SQL. `statement_timeout` inside the transaction. */
  statementTimeout?: number
  /** SQL. `lock_timeout` inside the transaction. */
  lockTimeout?: number
  /** SQL. `idle_in_transaction_session_timeout` inside the transaction. */
  idleInTransactionTimeout?: number
  /** SQL, PostgreSQL 17 and newer. `transaction_timeout`. */
  transactionTimeout?: number
}

/** What `config.transaction` of a route may say besides `true` and `false`. */
export interface RouteTransactionOptions extends TransactionOptions {
  /**
   * Keep the transaction open while a streamed reply is read from it. Only with read only, never with retries. Default
   * false.
   */
  stream?: boolean
  /**
   * `stream` only: milliseconds without a byte to the client or a statement before the transaction is rolled back.
   * Default 15000; 0: no bound.
   */
  streamIdleTimeout?: number
  /** What happens when the client goes away before the reply: `rollback` (default), or `continue` and commit. */
  clientAbort?: 'rollback' | 'continue'
  /**
   * Values for `SET LOCAL` in the message that begins the transaction, for example `{ role, 'app.tenant': id }`. SQL
   * only.
   */
  settings?: (request: FastifyRequest) => Record<string, string>
  /** How a route that makes truth in both stores keeps them in step. Default none: it writes one store. */
  crossStore?: CrossStore
}

/** What `app.transaction` takes as well. */
const commonChecks = {
  store: isOneOf('sql', 'mongo'),
  isolationLevel: isOneOf('read committed', 'repeatable read', 'serializable'),
  accessMode: isOneOf('read only', 'read write'),
  deferrable: isBoolean,
  retries: isRetryCount,
  deadline: isTime,
  statementTimeout: isTime,
  lockTimeout: isTime,
  idleInTransactionTimeout: isTime,
  transactionTimeout: isTime
} satisfies Record<keyof TransactionOptions, Check>

const callChecks = { ...commonChecks, crossStore: isOneOf('two-phase') }

const routeChecks = {
  ...commonChecks,
  stream: isBoolean,
  streamIdleTimeout: isTime,
  clientAbort: isOneOf('rollback', 'continue'),
  settings: isFunction('the request'),
  crossStore: isOneOf('outbox', 'two-phase')
} satisfies Record<keyof RouteTransactionOptions, Check>

/**
 * Every mistake in a set of options, one sentence each; empty when there is none.
 *
 * @param options what the user wrote
 * @param allowed `route` for `config.transaction`, `call` for `app.transaction`
 */
export function optionMistakes (options: object, allowed: 'route' | 'call'): string[] {
  const mistakes = mistakesIn(options, allowed === 'route' ? routeChecks : callChecks)
  return mistakes.length > 0 ? mistakes : contradictions(options)
}

/** Every mistake in what the plugin itself was told, one sentence each. */
export function pluginMistakes (options: { defaults?: unknown; [name: string]: unknown }): string[] {
  const mistakes = mistakesIn(options, pluginChecks, unknownPluginOption)
  const { defaults } = options
  if (typeof defaults === 'object' && defaults !== null) {
    mistakes.push(...optionMistakes(defaults, 'route').map((mistake) => `defaults: ${mistake}`))
  }
  return mistakes
}

function unknownPluginOption (name: string): string {
  if (connectionOptions.includes(name)) {
    return 'is not an option: the plugin opens no connections; give pool: new pg.Pool({ connectionString })'
  }
  const near = nearest(name, Object.keys(routeChecks))
  if (nearest(name, Object.keys(pluginChecks)) !== undefined || near === undefined) {
    return unknownOption(name, Object.keys(pluginChecks))
  }
  return `is not an option of the plugin but of routes; write defaults: { ${near} }`
}

function contradictions (options: RouteTransactionOptions): string[] {
  const {
    stream,
    streamIdleTimeout,
    accessMode,
    retries = 0,
    deferrable,
    isolationLevel,
    store,
    clientAbort,
    crossStore
  } = options
  const rules: Array<[boolean, string]> = [
    [stream === true && accessMode !== 'read only', "stream needs accessMode: 'read only'"],
    [stream === true && store === 'mongo', 'stream needs the sql store'],
    [streamIdleTimeout !== undefined && stream === undefined, 'streamIdleTimeout needs stream: true'],
    [
      crossStore === 'outbox' && store === 'mongo',
      "crossStore: 'outbox' needs the sql store: the event is a row of its transaction"
    ],
    [
      crossStore === 'two-phase' && store === 'mongo',
      "crossStore: 'two-phase' lives in both stores; leave store out"
    ],
    [
      crossStore === 'two-phase' && accessMode === 'read only',
      "crossStore: 'two-phase' contradicts accessMode: 'read only': there is nothing to keep in step"
    ],
    [stream === true && retries > 0, 'stream contradicts retries: a streamed reply cannot be taken back'],
    [stream === true && clientAbort === 'continue', "stream contradicts clientAbort: 'continue'"],
    [
      deferrable === true && (isolationLevel !== 'serializable' || accessMode !== 'read only'),
      "deferrable needs isolationLevel: 'serializable' and accessMode: 'read only'"
    ]
  ]
  return rules.filter(([broken]) => broken).map(([, sentence]) => sentence)
}

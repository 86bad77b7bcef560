import type { FastifyRequest } from 'fastify'

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
  /** How often the whole handler runs again after a serialization failure, a deadlock or a transient transaction error. 0–20, default 0. */
  retries?: number
  /** Longest life of the transaction, waits for a connection and all retries included; then 504 and rollback. Never interrupts a COMMIT. */
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
  /** Keep the transaction open while a streamed reply is read from it. Only with read only, never with retries. Default false. */
  stream?: boolean
  /** `stream` only: milliseconds without a byte to the client or a statement before the transaction is rolled back. Default 15000; 0: no bound. */
  streamIdleTimeout?: number
  /** What happens when the client goes away before the reply: `rollback` (default), or `continue` and commit. */
  clientAbort?: 'rollback' | 'continue'
  /** Values for `SET LOCAL` in the message that begins the transaction, for example `{ role, 'app.tenant': id }`. SQL only. */
  settings?: (request: FastifyRequest) => Record<string, string>
  /** How a route that makes truth in both stores keeps them in step. */
  agree?: 'outbox'
}

const isolationLevels = ['read committed', 'repeatable read', 'serializable']
const times = ['deadline', 'statementTimeout', 'lockTimeout', 'idleInTransactionTimeout', 'transactionTimeout']
const longestTime = 2 ** 31 - 1

const isOneOf = (...values: string[]) => (value: unknown) =>
  typeof value === 'string' && values.includes(value) ? undefined : `must be one of ${values.map((text) => `'${text}'`).join(', ')}`
const isBoolean = (value: unknown) => typeof value === 'boolean' ? undefined : 'must be true or false'
const isTime = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= longestTime ? undefined : 'must be a whole number of milliseconds, 0 or more'
const isRetryCount = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 20 ? undefined : 'must be a whole number from 0 to 20'
const isFunction = (value: unknown) => typeof value === 'function' ? undefined : 'must be a function of the request'

const checks: Record<string, (value: unknown) => string | undefined> = {
  store: isOneOf('sql', 'mongo'),
  isolationLevel: isOneOf(...isolationLevels),
  accessMode: isOneOf('read only', 'read write'),
  deferrable: isBoolean,
  retries: isRetryCount,
  ...Object.fromEntries(times.map((name) => [name, isTime])),
  stream: isBoolean,
  clientAbort: isOneOf('rollback', 'continue'),
  settings: isFunction,
  agree: isOneOf('outbox')
}

/**
 * Every mistake in a set of options, one sentence each; empty when there is none.
 *
 * @param options what the user wrote
 * @param allowed `route` for `config.transaction`, `call` for `app.transaction`
 */
export function optionMistakes (options: object, allowed: 'route' | 'call'): string[] {
  const routeOnly = ['stream', 'clientAbort', 'settings', 'agree']
  const mistakes: string[] = []
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    const check = allowed === 'call' && routeOnly.includes(name) ? undefined : checks[name]
    const mistake = check === undefined ? 'is not an option; known are ' + Object.keys(checks).join(', ') : check(value)
    if (mistake !== undefined) mistakes.push(`${name} ${mistake}`)
  }
  return mistakes.length > 0 ? mistakes : contradictions(options)
}

/** Every mistake in what the plugin itself was told, one sentence each. */
export function pluginMistakes (options: { methods?: string[] | undefined, defaults?: RouteTransactionOptions | undefined, [time: string]: unknown }): string[] {
  const { methods = [], defaults = {} } = options
  const mistakes = optionMistakes(defaults, 'route').map((mistake) => `defaults: ${mistake}`)
  for (const name of ['checkoutTimeout', 'beginTimeout', 'commitTimeout', 'retryAfter']) {
    const mistake = options[name] === undefined ? undefined : isTime(options[name])
    if (mistake !== undefined) mistakes.push(`${name} ${mistake}`)
  }
  const isMethod = (method: unknown) => typeof method === 'string' && method !== '' && method === method.toUpperCase()
  if (!Array.isArray(methods) || !methods.every(isMethod)) mistakes.push("methods must be a list of HTTP methods in capitals, for example ['POST', 'PUT']")
  return mistakes
}

function contradictions (options: RouteTransactionOptions): string[] {
  const { stream, accessMode, retries = 0, deferrable, isolationLevel, store, clientAbort, agree } = options
  const rules: Array<[boolean, string]> = [
    [stream === true && accessMode !== 'read only', "stream needs accessMode: 'read only'"],
    [stream === true && store === 'mongo', 'stream needs the sql store'],
    [agree !== undefined && store === 'mongo', "agree: 'outbox' needs the sql store: the event is a row of its transaction"],
    [stream === true && retries > 0, 'stream contradicts retries: a streamed reply cannot be taken back'],
    [stream === true && clientAbort === 'continue', "stream contradicts clientAbort: 'continue'"],
    [deferrable === true && (isolationLevel !== 'serializable' || accessMode !== 'read only'), "deferrable needs isolationLevel: 'serializable' and accessMode: 'read only'"]
  ]
  return rules.filter(([broken]) => broken).map(([, sentence]) => sentence)
}

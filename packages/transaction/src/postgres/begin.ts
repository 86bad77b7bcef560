import { describeKind } from '../options/checks.ts'
import type { TransactionOptions } from '../options/route-options.ts'
import { TransactionUsageError } from '../errors.ts'
import { quoteLiteral } from '../sql-text/literal.ts'
import { sqlState } from './errors.ts'

const timeouts = [
  ['statementTimeout', 'statement_timeout'],
  ['lockTimeout', 'lock_timeout'],
  ['idleInTransactionTimeout', 'idle_in_transaction_session_timeout'],
  ['transactionTimeout', 'transaction_timeout']
] as const

/** PostgreSQL cuts longer names off, with a warning each time. */
const longestApplicationName = 63

/**
 * BEGIN and the settings that a route fixes at boot, a statement each.
 *
 * @param server whether it knows `transaction_timeout`, as PostgreSQL does from 17 on; where that is unknown the server
 * is asked with it
 */
export function beginStatements (options: TransactionOptions, server: 'new' | 'old' | 'unknown' = 'new'): string[] {
  let begin = 'BEGIN'
  if (options.isolationLevel !== undefined) begin += ` ISOLATION LEVEL ${options.isolationLevel.toUpperCase()}`
  if (options.accessMode !== undefined) begin += ` ${options.accessMode.toUpperCase()}`
  if (options.deferrable === true) begin += ' DEFERRABLE'
  const statements = [begin]
  for (const [option, setting] of timeouts) {
    const value = options[option]
    if (value === undefined || value <= 0) continue
    if (setting !== 'transaction_timeout' || server === 'new') statements.push(`SET LOCAL ${setting} = ${value}`)
    else if (server === 'unknown') {
      statements.push(
        `SELECT set_config('${setting}', '${value}', true) WHERE current_setting('server_version_num')::int >= 170000`
      )
    }
  }
  return statements
}

/** `SET LOCAL application_name`, so that `pg_stat_activity` shows which request a session works for. */
export function applicationNameSql (label: string): string {
  const text = label.slice(0, longestApplicationName)
  const name = /[^\x20-\x7e]/.test(text) ? text.replace(/[^\x20-\x7e]/g, '?') : text
  return `SET LOCAL application_name = ${/['\\]/.test(name) ? quoteLiteral(name) : `'${name}'`}`
}

/**
 * The values of `settings` as `set_config(…, true)`, the role last so that it needs no right to set the others. What is
 * no plain object of texts is refused: settings that are not there open what row-level security closes.
 */
export function settingsStatements (settings: unknown): string[] {
  if (!isPlainObject(settings)) throw new TransactionUsageError(findMistake(settings))
  const entries = Object.entries(settings).sort(([a], [b]) => Number(a === 'role') - Number(b === 'role'))
  return entries.map(([name, value]) => {
    if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(name)) {
      throw new TransactionUsageError(`settings: '${name}' is not the name of a PostgreSQL setting`)
    }
    if (typeof value !== 'string') {
      throw new TransactionUsageError(`settings: the value of ${name} must be a string, not ${describeKind(value)}`)
    }
    if (value.includes('\0')) {
      throw new TransactionUsageError(`settings: the value of ${name} has a zero byte, which PostgreSQL cannot take`)
    }
    return `SELECT set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`
  })
}

/**
 * The error of a BEGIN that PostgreSQL refused because of its settings: a name, role or right that is missing is a
 * mistake of the program's.
 */
export function refusedSettings (label: string, error: unknown): unknown {
  const state = sqlState(error) ?? ''
  if (!/^(22|42)/.test(state)) return error
  return new TransactionUsageError(
    `settings of ${label}: PostgreSQL refused a name or a value (SQLSTATE ${state}); nothing was begun`,
    error
  )
}

function findMistake (settings: unknown): string {
  if (typeof Object(settings).then === 'function') {
    return 'settings must return at once, not a promise; find out the tenant in a hook before, and read it here'
  }
  if (typeof settings === 'function') {
    return 'settings must be values here, not a function: there is no request it could be a function of'
  }
  return `settings must be an object of texts, {} for none, not ${describeKind(settings)}`
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // A promise, a Map or a list has no values of its own under names: it would read as "no settings".
  return (prototype === Object.prototype || prototype === null) && typeof Reflect.get(value, 'then') !== 'function'
}

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
 * The part of the BEGIN message that a route fixes at boot.
 *
 * @param server whether it knows `transaction_timeout`, as PostgreSQL does from 17 on; where that is unknown the server
 * is asked with it
 */
export function beginSql (options: TransactionOptions, server: 'new' | 'old' | 'unknown' = 'new'): string {
  let text = 'BEGIN'
  if (options.isolationLevel !== undefined) text += ` ISOLATION LEVEL ${options.isolationLevel.toUpperCase()}`
  if (options.accessMode !== undefined) text += ` ${options.accessMode.toUpperCase()}`
  if (options.deferrable === true) text += ' DEFERRABLE'
  for (const [option, setting] of timeouts) {
    const value = options[option]
    if (value === undefined || value <= 0) continue
    if (setting !== 'transaction_timeout' || server === 'new') text += `; SET LOCAL ${setting} = ${value}`
    else if (server === 'unknown') {
      text +=
        `; SELECT set_config('${setting}', '${value}', true) WHERE current_setting('server_version_num')::int >= 170000`
    }
  }
  return text
}

/** `SET LOCAL application_name`, so that `pg_stat_activity` shows which request a session works for. */
export function applicationNameSql (label: string): string {
  const text = label.slice(0, longestApplicationName)
  const name = /[^\x20-\x7e]/.test(text) ? text.replace(/[^\x20-\x7e]/g, '?') : text
  return `; SET LOCAL application_name = ${/['\\]/.test(name) ? quoteLiteral(name) : `'${name}'`}`
}

/**
 * The values of `settings` as `set_config(…, true)`, the role last so that it needs no right to set the others. What is
 * no plain object of texts is refused: settings that are not there open what row-level security closes.
 */
export function settingsSql (settings: unknown): string {
  if (!isPlainObject(settings)) throw new TransactionUsageError(findMistake(settings))
  const entries = Object.entries(settings).sort(([a], [b]) => Number(a === 'role') - Number(b === 'role'))
  let text = ''
  for (const [name, value] of entries) {
    if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(name)) {
      throw new TransactionUsageError(`settings: '${name}' is not the name of a PostgreSQL setting`)
    }
    if (typeof value !== 'string') {
      throw new TransactionUsageError(`settings: the value of ${name} must be a string, not ${describeKind(value)}`)
    }
    if (value.includes('\0')) {
      throw new TransactionUsageError(`settings: the value of ${name} has a zero byte, which PostgreSQL cannot take`)
    }
    text += `; SELECT set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`
  }
  return text
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

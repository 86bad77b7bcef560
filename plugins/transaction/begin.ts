import pg from 'pg'
import type { TransactionOptions } from './options.ts'
import { TransactionUsageError } from './errors.ts'

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
 * @param server whether it knows `transaction_timeout`, as PostgreSQL does from 17 on; where that is unknown the server is asked with it
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
    else if (server === 'unknown') text += `; SELECT set_config('${setting}', '${value}', true) WHERE current_setting('server_version_num')::int >= 170000`
  }
  return text
}

/** `SET LOCAL application_name`, so that `pg_stat_activity` shows which request a session works for. */
export function applicationNameSql (label: string): string {
  const name = label.replace(/[^\x20-\x7e]/g, '?').slice(0, longestApplicationName)
  return `; SET LOCAL application_name = ${pg.escapeLiteral(name)}`
}

/** The values of `settings` as `set_config(…, true)`, the role last so that it needs no right to set the others. */
export function settingsSql (settings: Record<string, string>): string {
  const entries = Object.entries(settings).sort(([a], [b]) => Number(a === 'role') - Number(b === 'role'))
  let text = ''
  for (const [name, value] of entries) {
    if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(name)) throw new TransactionUsageError(`settings: '${name}' is not the name of a PostgreSQL setting`)
    if (typeof value !== 'string') throw new TransactionUsageError(`settings: the value of ${name} must be a string`)
    text += `; SELECT set_config(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)}, true)`
  }
  return text
}

import { OutboxError } from '../errors.ts'

const SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN'
])
const MONGO_NAMES =
  /^Mongo(Network|ServerSelection|Topology|PoolClear|WaitQueue|NotConnected|ClientClosed|NotPrimary|ServerClosed)/
const MONGO_LABELS = ['RetryableWriteError', 'TransientTransactionError', 'SystemOverloadedError']
// Stepping down, shutting down, recovering, interrupted, out of time.
const MONGO_CODES = new Set([6, 7, 50, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436])
const POSTGRES = /^(08|40|53|55P03|57)/

/**
 * Says whether an error means "the target is away", so that trying the same again later is right and no event is to
 * blame. Knows Node's network errors, MongoDB's and PostgreSQL's; give your own as `isTransient` for other targets.
 */
export function isTransient (error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = getCause(at), depth++) {
    if (isAway(at)) return true
  }
  return false
}

// MongoDB's driver wraps what breaks a bulk write, without calling it the cause.
function getCause (error: Error): unknown {
  return error.cause ?? ('errorResponse' in error ? error.errorResponse : undefined)
}

function isAway (error: Error & { code?: unknown; severity?: unknown; hasErrorLabel?: unknown }): boolean {
  if (error instanceof OutboxError) return error.code === 'OUTBOX_STOPPED'
  if (MONGO_NAMES.test(error.name)) return true
  if (typeof error.code === 'number') return error.name.startsWith('Mongo') && MONGO_CODES.has(error.code)
  if (typeof error.code === 'string' && SYSTEM.has(error.code)) return true
  if (typeof error.code === 'string' && 'severity' in error) return POSTGRES.test(error.code)
  return hasLabel(error)
}

function hasLabel (error: Error): boolean {
  if (!('hasErrorLabel' in error) || typeof error.hasErrorLabel !== 'function') return false
  return MONGO_LABELS.some((label) => (error as { hasErrorLabel: (label: string) => boolean }).hasErrorLabel(label))
}

/** The SQLSTATE of an error or of its causes; undefined when no PostgreSQL server spoke. */
export function sqlState (error: unknown): string | undefined {
  let current = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth++, current = current.cause) {
    // `EPIPE` looks like a SQLSTATE: only the server's own messages carry a severity.
    if (
      'code' in current && 'severity' in current && typeof current.code === 'string' &&
      typeof current.severity === 'string'
    ) return current.code
  }
  return undefined
}

/** True when another connection may well work: the server or the network ended this one, or refused it for now. */
export function isConnectionProblem (error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return /^(08|57P|53300)/.test(state)
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return /ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|terminated|not queryable|Connection ended/i.test(
    `${code} ${error.message}`
  )
}

/**
 * True when the server answered and does not know itself whether it has committed: 40003, as CockroachDB and others that
 * are spread over machines say it.
 */
export function isAmbiguous (error: unknown): boolean {
  const state = sqlState(error)
  return state === '40003' || (state !== undefined && saysAmbiguous(error))
}

function saysAmbiguous (error: unknown): boolean {
  let current = error
  while (current instanceof Error) {
    if (/\bresult is ambiguous\b/i.test(current.message)) return true
    current = current.cause
  }
  return false
}

/** True when the server refuses writes: it is a replica. Another connection may lead to the primary. */
export function isReplicaError (error: unknown): error is Error {
  return sqlState(error) === '25006'
}

/**
 * Serialization failure, deadlock, or a plan that a migration made stale: the whole transaction may succeed when it
 * runs again.
 */
export function isRetriable (error: unknown): boolean {
  const state = sqlState(error)
  return state === '40001' || state === '40P01' || (state === '0A000' && isStalePlan(error))
}

/**
 * Where plancache.c of PostgreSQL refuses a named statement whose columns changed; unlike the message it is never
 * translated.
 */
function isStalePlan (error: unknown): boolean {
  let current = error
  while (current instanceof Error) {
    if ('routine' in current && current.routine === 'RevalidateCachedQuery') return true
    current = current.cause
  }
  return false
}

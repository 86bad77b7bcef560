// One set for all copies of the package in a process: the error handler may have another one than the plugin.
const sharedKey = Symbol.for('fastify-transaction.database-errors')
const shared = globalThis as { [sharedKey]?: WeakSet<object> }
const fromDatabase = shared[sharedKey] ??= new WeakSet()

/**
 * Notes that an error came from a connection to a database of the app's. Codes such as ECONNREFUSED or 23505 do not say
 * whose connection failed; a client that a handler has for something else fails with the same. Drivers of this package
 * note their errors themselves; a store, pool or test double of your own says `throw noteDatabaseError(error)`.
 *
 * @param error anything that was thrown
 * @returns the same error, to be thrown on
 */
export function noteDatabaseError<Thrown> (error: Thrown): Thrown {
  if (typeof error === 'object' && error !== null) fromDatabase.add(error)
  return error
}

/** True for an error, or a part of one, that was noted where the connection is. */
export function isNoted (error: unknown): boolean {
  return typeof error === 'object' && error !== null && fromDatabase.has(error)
}

const fromDatabase = new WeakSet<object>()

/**
 * Notes that an error came from a connection to a database of the app's. Codes such as ECONNREFUSED do not say whose
 * connection failed; a call of the handler's own to another service fails with the same.
 *
 * @param error anything that was thrown
 * @returns the same error, to be thrown on
 */
export function noteDatabaseError<Thrown> (error: Thrown): Thrown {
  if (typeof error === 'object' && error !== null) fromDatabase.add(error)
  return error
}

/**
 * Where MongoDB's driver writes to its sockets. Some of their errors it passes on as they are: only the stack tells whose
 * they are.
 */
const MONGO_SOCKET = /[\\/]mongodb[\\/](?:src|lib)[\\/]cmap[\\/]/

/** True for an error that was noted where the connection is, or came from a socket of MongoDB's driver. */
export function isDatabaseError (error: object): boolean {
  return fromDatabase.has(error) || (error instanceof Error && MONGO_SOCKET.test(error.stack ?? ''))
}

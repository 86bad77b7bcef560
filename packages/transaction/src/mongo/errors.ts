/** No server was reached: the command was never sent, unless it was being repeated. */
const unreached =
  /^Mongo(ServerSelection|WaitQueueTimeout|PoolCleared|PoolClosed|TopologyClosed|NotConnected|ServerClosed)Error$/
/** The connection ended, or answered nonsense, while a command was on it. */
const unanswered =
  /^(Mongo(Network|NetworkTimeout|ClientClosed|UnexpectedServerResponse|Decompression|OperationTimeout|WriteConcern)|PoolClearedOnNetwork)Error$/
/** Mistakes in arguments that the driver finds before it sends anything. */
const unsent = /^Mongo(InvalidArgument|API|Compatibility|CursorInUse|MissingDependency|Transaction)Error$/

/** True when an error or one of its causes carries a label of the MongoDB driver's. */
export function hasLabel (error: unknown, label: string): boolean {
  let current = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth++, current = current.cause) {
    if ('errorLabels' in current && Array.isArray(current.errorLabels) && current.errorLabels.includes(label)) {
      return true
    }
  }
  return false
}

/** True for what the server or the network said; mistakes in arguments never left the process. */
export function isServerSide (error: unknown): boolean {
  if (!(error instanceof Error) || unsent.test(error.name)) return false
  return error.name.startsWith('Mongo') || unanswered.test(error.name) || hasLabel(error, 'TransientTransactionError')
}

/** True when no server was reached: nothing was sent, unless this was the repetition of a command that had been. */
export function isUnreached (error: unknown): boolean {
  const origin = withoutBatch(error)
  return origin instanceof Error && unreached.test(origin.name)
}

/** True when a command may have been carried out, or was carried out without the confirmation that was asked for. */
export function isUnanswered (error: unknown): boolean {
  const origin = withoutBatch(error)
  if (!(origin instanceof Error)) return false
  return unanswered.test(origin.name) || unreached.test(origin.name) ||
    hasLabel(origin, 'UnknownTransactionCommitResult') || isUnconfirmedBatch(origin)
}

/** The driver wraps what ended a batch of writes in an error of its own. */
function withoutBatch (error: unknown): unknown {
  const { errorResponse } = Object(error) as { errorResponse?: unknown }
  return errorResponse instanceof Error ? errorResponse : error
}

function isUnconfirmedBatch (error: Error): boolean {
  const { result } = error as { result?: { getWriteConcernError?: () => unknown } }
  return error.name === 'MongoBulkWriteError' && result?.getWriteConcernError?.() !== undefined
}

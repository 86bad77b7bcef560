/** True when an error or one of its causes carries a label of the MongoDB driver's. */
export function hasLabel (error: unknown, label: string): boolean {
  let current = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth++, current = current.cause) {
    if ('errorLabels' in current && Array.isArray(current.errorLabels) && current.errorLabels.includes(label)) return true
  }
  return false
}

/** True for what the server or the network said; mistakes in arguments never left the process. */
export function isServerSide (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (/^Mongo(Server|Network|BulkWrite|WriteConcern|PoolCleared|WaitQueue|Topology|NotConnected|ClientClosed)/.test(error.name)) return true
  return hasLabel(error, 'TransientTransactionError') || ('code' in error && typeof error.code === 'number')
}

import { OutboxError } from './errors.ts'
import type { NewEvent, OutboxStore, OutboxTransaction } from './types.ts'

/**
 * Writes an event in an open transaction.
 * @returns its id
 * @throws OutboxError outside a transaction, or for an event without topic, key or JSON payload
 */
export async function enqueue (
  store: OutboxStore,
  tx: OutboxTransaction,
  event: NewEvent,
  onCommit: () => void
): Promise<string> {
  if (typeof event !== 'object' || event === null) {
    throw new OutboxError(
      'OUTBOX_USAGE',
      'enqueue needs a transaction and an event: enqueue(request.transaction, { topic, key, payload })'
    )
  }
  if (!isInTransaction(tx)) {
    throw new OutboxError(
      'OUTBOX_NO_TRANSACTION',
      `an event of topic '${event.topic}' was enqueued outside a transaction: it could be lost or lie. Hand over request.transaction, or a client between BEGIN and COMMIT`
    )
  }
  const { topic, key, payload } = event
  if (
    typeof topic !== 'string' || topic === '' || typeof key !== 'string' || key === '' || !isJson(payload)
  ) {
    throw new OutboxError(
      'OUTBOX_USAGE',
      'an event needs a topic and a key (texts that are not empty) and a payload that is JSON'
    )
  }
  // Before the insert: one that nobody awaits may be answered when the transaction takes no more callbacks.
  tx.afterCommit?.(onCommit)
  return await store.insert(tx, event)
}

function isInTransaction (tx: OutboxTransaction): boolean {
  if (typeof tx?.query !== 'function') return false
  if (typeof tx.getTransactionStatus === 'function') return tx.getTransactionStatus() === 'T'
  return tx.state === 'idle' || tx.state === 'opening' || tx.state === 'open'
}

function isJson (payload: unknown): boolean {
  try {
    return JSON.stringify(payload) !== undefined
  } catch {
    return false // a bigint, or an object that contains itself
  }
}

import type { Collection } from '../collection.ts'

/** Answers kept for requests that carry an Idempotency-Key. */
export default {
  name: 'idempotency_keys',
  indexes: [{ name: 'idempotency_keys_expires_at_idx', key: { expires_at: 1 }, expireAfterSeconds: 0 }]
} satisfies Collection

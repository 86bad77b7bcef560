import type { Projected } from 'fastify-outbox'

/**
 * A user as MongoDB has it; `_v` is the version in SQL, `_deleted` marks one who is gone. `_absent`: no event told of
 * the deletion, the user was missing in SQL when the copy was compared; then nothing else goes with the user.
 */
export type UserDocument = Projected<number> & { name?: string; email?: string; _absent?: boolean }

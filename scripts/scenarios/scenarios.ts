import { clients } from './clients.ts'
import { connections } from './connections.ts'
import { replies } from './replies.ts'
import type { Scenario } from './types.ts'

/** All scenarios, in the order of the table. */
export const scenarios: Scenario[] = [...replies, ...clients, ...connections]

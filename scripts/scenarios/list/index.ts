import type { Scenario } from '../scenario.ts'
import { clients } from './clients.ts'
import { connections } from './connections.ts'
import { replies } from './replies.ts'
import { conflicts, failing } from './statements.ts'
import { streamed } from './streams.ts'
import { timeouts } from './timeouts.ts'
import { unreturned } from './unreturned.ts'

/** All scenarios in the order of the table. */
export const scenarios: Scenario[] = [...replies, ...unreturned, ...failing, ...conflicts, ...clients, ...timeouts, ...streamed, ...connections]

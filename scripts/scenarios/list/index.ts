import type { Scenario } from '../scenario.ts'
import { bothStores } from './both-stores.ts'
import { clients } from './clients.ts'
import { connections } from './connections.ts'
import { hooks, registration } from './hooks.ts'
import { replies } from './replies.ts'
import { conflicts, failing } from './statements.ts'
import { streamed } from './streams.ts'
import { superseded } from './superseded.ts'
import { timeouts } from './timeouts.ts'
import { unreturned } from './unreturned.ts'

/** All scenarios in the order of the table. */
export const scenarios: Scenario[] = [
  ...replies,
  ...unreturned,
  ...hooks,
  ...registration,
  ...failing,
  ...conflicts,
  ...superseded,
  ...clients,
  ...timeouts,
  ...streamed,
  ...connections,
  ...bothStores
]

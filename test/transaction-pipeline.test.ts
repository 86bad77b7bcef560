// The same promises on connections that send statements ahead: BEGIN then travels with the first one.
import { poolDefaults } from './transaction/harness.ts'

poolDefaults.pipeline = true
await import('./transaction/commit-or-rollback.test.ts')
await import('./transaction/failed-statements.test.ts')
await import('./transaction/retries.test.ts')
await import('./transaction/unusual-replies.test.ts')
await import('./transaction/handler-control.test.ts')
await import('./transaction/connections.test.ts')
await import('./transaction/after-commit-and-log.test.ts')
await import('./transaction/client-abort.test.ts')
await import('./transaction/timeouts.test.ts')
await import('./transaction/streams.test.ts')

// The same promises on connections that send statements ahead: BEGIN then travels with the first one.
import { poolDefaults } from '../packages/transaction/test/harness.ts'

poolDefaults.pipeline = true
await import('../packages/transaction/test/commit-or-rollback.test.ts')
await import('../packages/transaction/test/failed-statements.test.ts')
await import('../packages/transaction/test/retries.test.ts')
await import('../packages/transaction/test/unusual-replies.test.ts')
await import('../packages/transaction/test/handler-control.test.ts')
await import('../packages/transaction/test/connections.test.ts')
await import('../packages/transaction/test/after-commit-and-log.test.ts')
await import('../packages/transaction/test/client-abort.test.ts')
await import('../packages/transaction/test/timeouts.test.ts')
await import('../packages/transaction/test/streams.test.ts')

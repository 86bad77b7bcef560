// One fact in two databases.
import './consistency/outbox.test.ts'
import './consistency/change-stream.test.ts'
import './consistency/two-stores.test.ts'
import './consistency/idempotency.test.ts'
import './consistency/outage.test.ts'
import './consistency/ledger.test.ts'

// What operators see: metrics, status page, traces, limits.
import './admin/limits.test.ts'
import './admin/admin.test.ts'
import './admin/metrics.test.ts'
import './admin/tracing.test.ts'

// The same promises on connections that send statements ahead: BEGIN then travels with the first one.
import { poolDefaults } from './harness.ts'

poolDefaults.pipeline = true
await import('./requests.test.ts')
await import('./sockets.test.ts')

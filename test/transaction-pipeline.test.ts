// The same promises on connections that send statements ahead: BEGIN then travels with the first one.
import { poolDefaults } from './transaction/harness.ts'

poolDefaults.pipeline = true
await import('./transaction/requests.test.ts')
await import('./transaction/sockets.test.ts')

// The same promises on connections that send all statements ahead of their answers.
import { poolDefaults } from '../packages/transaction/test/harness.ts'
import { importTests } from './import-tests.ts'
import { OPENING } from './transaction-modes.ts'

poolDefaults.pipeline = true
await importTests('../packages/transaction/test', OPENING)

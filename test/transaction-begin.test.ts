// The same promises where BEGIN is sent and answered before the first statement.
import { pluginDefaults } from '../packages/transaction/test/harness.ts'
import { importTests } from './import-tests.ts'
import { OPENING } from './transaction-modes.ts'

pluginDefaults.pipelineBegin = false
await importTests('../packages/transaction/test', OPENING)

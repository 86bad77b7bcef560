// The outbox package.
import { importTests } from './import-tests.ts'

await importTests('../packages/outbox/test')

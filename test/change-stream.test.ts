// The change-stream package.
import { importTests } from './import-tests.ts'

await importTests('../packages/change-stream/test')

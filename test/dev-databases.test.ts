// The databases that start by themselves.
import { importTests } from './import-tests.ts'

await importTests('../packages/dev-databases/test')

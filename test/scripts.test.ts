// The commands.
import { importTests } from './import-tests.ts'

await importTests('scripts')

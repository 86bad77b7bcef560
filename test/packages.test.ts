// The packages as others install them: types for every kind of app, peers that are left out, READMEs, examples, recipes.
import { importTests } from './import-tests.ts'

await importTests('packages')

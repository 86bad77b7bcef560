// The packages as others install them: types for every kind of app, peers that are left out, examples and recipes.
import { importTests } from './import-tests.ts'

await importTests('packages')

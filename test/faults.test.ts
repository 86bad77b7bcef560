// The catalogue of faults, docs/faults.md; the slow ones are run by npm run faults.
import './faults/postgres.test.ts'
import './faults/waits.test.ts'
import './faults/processes.test.ts'
import './faults/hostile.test.ts'

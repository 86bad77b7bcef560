// The transaction plugin as a package, and the scenarios it is compared by.
import './transaction/package.test.ts'
import './transaction/scenarios.test.ts'

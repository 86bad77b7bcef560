// The transaction plugin as a package, the scenarios it is compared by, and the plugins it is tried with.
import './transaction/package.test.ts'
import './transaction/scenarios.test.ts'
import './transaction/ecosystem.test.ts'

// The databases that start by themselves.
import '../packages/dev-databases/test/life.test.ts'
import '../packages/dev-databases/test/parts.test.ts'
import '../packages/dev-databases/test/mongod.test.ts'

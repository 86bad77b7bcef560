// The databases that start by themselves, and the commands.
import './scripts/embedded.test.ts'
import './scripts/embedded-parts.test.ts'
import './scripts/embedded-mongod.test.ts'
import './scripts/commands.test.ts'
import './scripts/seed.test.ts'

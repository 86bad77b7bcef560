// The commands.
import './scripts/commands.test.ts'
import './scripts/seed.test.ts'
import './scripts/start.test.ts'

import t from 'tap'
import { orphans } from './mongo/orphans.ts'
import { plainWrites } from './mongo/plain-writes.ts'
import { mongod } from './mongo/stage.ts'

const server = await mongod(t)
await t.test('writes without a transaction', (t) => plainWrites(t, server))
await t.test('what a killed process left open', (t) => orphans(t, server))

import t from 'tap'
import { orphans } from './mongo/orphans.ts'
import { plainWrites } from './mongo/plain-writes.ts'
import { mongod, type Server } from './mongo/stage.ts'

let server: Server
t.before(async () => {
  server = await mongod(t)
})
t.test('writes without a transaction', (t) => plainWrites(t, server))
t.test('what a killed process left open', (t) => orphans(t, server))

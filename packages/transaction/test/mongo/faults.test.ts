import t from 'tap'
import { orphans } from './orphans.ts'
import { plainWrites } from './plain-writes.ts'
import { mongod, type Server } from './fixture.ts'

let server: Server
t.before(async () => {
  server = await mongod(t)
})
t.test('writes without a transaction', (t) => plainWrites(t, server))
t.test('what a killed process left open', (t) => orphans(t, server))

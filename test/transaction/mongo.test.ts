import t from 'tap'
import { aborts } from './mongo/aborts.ts'
import { boundaries } from './mongo/boundaries.ts'
import { commits } from './mongo/commits.ts'
import { facade } from './mongo/facade.ts'
import { replies } from './mongo/replies.ts'
import { mongod, type Server } from './mongo/stage.ts'

let server: Server
t.before(async () => {
  server = await mongod(t)
})
t.test('replies', (t) => replies(t, server))
t.test('aborts', (t) => aborts(t, server))
t.test('commits', (t) => commits(t, server))
t.test('facade', (t) => facade(t, server))
t.test('boundaries', (t) => boundaries(t, server))

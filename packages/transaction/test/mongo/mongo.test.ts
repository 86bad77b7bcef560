import t from 'tap'
import { aborts } from './aborts.ts'
import { boundaries } from './boundaries.ts'
import { commits } from './commits.ts'
import { facade } from './facade.ts'
import { replies } from './replies.ts'
import { mongod, type Server } from './fixture.ts'

let server: Server
t.before(async () => {
  server = await mongod(t)
})
t.test('replies', (t) => replies(t, server))
t.test('aborts', (t) => aborts(t, server))
t.test('commits', (t) => commits(t, server))
t.test('facade', (t) => facade(t, server))
t.test('boundaries', (t) => boundaries(t, server))

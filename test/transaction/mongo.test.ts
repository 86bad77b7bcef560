import t from 'tap'
import { aborts } from './mongo/aborts.ts'
import { boundaries } from './mongo/boundaries.ts'
import { commits } from './mongo/commits.ts'
import { facade } from './mongo/facade.ts'
import { replies } from './mongo/replies.ts'
import { mongod } from './mongo/stage.ts'

const server = await mongod(t)
await t.test('replies', (t) => replies(t, server))
await t.test('aborts', (t) => aborts(t, server))
await t.test('commits', (t) => commits(t, server))
await t.test('facade', (t) => facade(t, server))
await t.test('boundaries', (t) => boundaries(t, server))

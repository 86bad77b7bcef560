import t from 'tap'
import { mongod } from './mongo/stage.ts'
import { replies } from './mongo/replies.ts'

const server = await mongod(t)
await t.test('replies', (t) => replies(t, server))

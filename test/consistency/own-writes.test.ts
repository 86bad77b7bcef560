// A client that reads what it has written, through the copy that the other store holds.
import t, { type Test } from 'tap'
import { buildApp, type App } from '../../app.ts'
import { migrate } from '../../drizzle/migrate.ts'
import { copiedThings } from '../fixture/copies.ts'
import { newFolder } from '../folder.ts'
import { build, databases } from '../helper.ts'
import { until } from '../until.ts'
import { send, type Headers } from './send.ts'

interface Item {
  id: number | string
  name: string
}

let serial = 0

const write = async (app: App, url: '/followed' | '/notes', headers?: Headers) =>
  await send<Item>(app, 'POST', url, { name: `Name ${++serial}` }, headers)
const read = async (app: App, url: '/copied-things' | '/copied-notes', headers?: Headers) =>
  await send<Item[]>(app, 'GET', url, undefined, headers)
const has = (items: Item[], id: number | string) => items.some((item) => item.id === id)

/** A read that waits for what a token stands for, and longer than it would by itself: a busy machine is slow. */
const reading = (token: string | undefined): Headers => ({ 'consistency-token': String(token), prefer: 'wait=10' })

async function readsOwnWrites (t: Test, app: App): Promise<void> {
  for (let round = 0; round < 8; round++) {
    const thing = await write(app, '/followed')
    const token = thing.headers['consistency-token'] as string
    t.match(token, new RegExp(`^sql-things-[0-9a-z]{9,}-\\d+-${thing.body.id}$`))
    const copied = await read(app, '/copied-things', reading(token))
    t.equal(copied.headers['consistency-token'], token, 'the answer says that the write is in it')
    t.ok(has(copied.body, thing.body.id))

    const note = await write(app, '/notes')
    const both = `${token}, ${note.headers['consistency-token']}`
    t.match(both, /^sql-things-\S+, mongo-notes-[0-9a-z]+-[0-9a-f]{16}$/)
    const list = await read(app, '/copied-notes', reading(both))
    t.equal(list.headers['consistency-token'], both)
    t.ok(has(list.body, note.body.id))
  }
  const [first] = (await read(app, '/copied-things')).body
  const url = `/followed/${first?.id}`
  const patched = await send(app, 'PATCH', url, { name: 'New' })
  t.equal((await read(app, '/copied-things', reading(patched.headers['consistency-token']))).body[0]?.name, 'New')
  const deleted = await send(app, 'DELETE', url)
  t.match(deleted.headers, { 'consistency-token': /^sql-things-/ })
  const left = await read(app, '/copied-things', reading(deleted.headers['consistency-token']))
  t.notOk(has(left.body, first?.id ?? 0))
  t.equal((await send(app, 'DELETE', url)).headers['consistency-token'], undefined, '404: nothing was written')
}

t.test('the token of a write, sent back on the read', async (t) => {
  await readsOwnWrites(t, await build(t, { plugins: copiedThings }))
})

t.test('SQLite: the same promises for one process', async (t) => {
  const url = `file:${newFolder(t)}/tandem.db`
  await migrate(url)
  await readsOwnWrites(t, await build(t, { plugins: copiedThings, settings: { DATABASE_URL: url } }))
})

t.test('Prefer: wait on the write', async (t) => {
  const app = await build(t, { plugins: copiedThings })
  for (let round = 0; round < 8; round++) {
    const thing = await write(app, '/followed', { prefer: 'respond-async, wait=5' })
    t.match(thing, { status: 201, headers: { 'preference-applied': 'wait=5' } })
    t.ok(has((await read(app, '/copied-things')).body, thing.body.id), 'a plain read shows it')
    const note = await write(app, '/notes', { prefer: 'wait=5' })
    t.equal(note.headers['preference-applied'], 'wait=5')
    t.ok(has((await read(app, '/copied-notes')).body, note.body.id))
  }
})

t.test('when the other store does not follow: the wait is bounded, and the answer does not claim to be current', async (t) => {
  const app = await build(t, { plugins: copiedThings, settings: { PROJECTIONS: false } })
  const thing = await write(app, '/followed', { prefer: 'wait=0' })
  const token = thing.headers['consistency-token'] as string
  t.match(thing, { status: 201, headers: { 'preference-applied': undefined } })
  const note = await write(app, '/notes', { prefer: 'wait=0' })
  for (const header of [token, note.headers['consistency-token'] as string]) {
    const found = await read(app, '/copied-things', { 'consistency-token': header, prefer: 'wait=0' })
    t.match(found, { status: 200, body: [], headers: { 'consistency-token': undefined } })
  }
  const started = performance.now()
  t.same((await read(app, '/copied-things', { 'consistency-token': token })).body, [])
  const waited = performance.now() - started
  t.ok(waited >= 900 && waited < 30_000, `it waited ${waited} ms`)
  for (
    const bad of [
      'x',
      'sql-',
      'sql-0',
      'sql-1e3',
      'mongo-12',
      'sql-99999999999999999999',
      Array.from({ length: 9 }, () => token).join(),
      'sql-9223372036854775808',
      'sql-things-abc-0-1',
      'sql-things-abc-1-%',
      'mongo-notes-abc-12'
    ]
  ) {
    t.match(await read(app, '/copied-things', { 'consistency-token': bad }), {
      status: 400,
      body: { type: '/docs/problems#invalid-request', errors: [{ pointer: '/consistency-token', in: 'header' }] }
    }, bad)
  }
  t.equal((await read(app, '/copied-things', { 'consistency-token': '' })).status, 400)
})

t.test('two processes on the same databases share the work; the rest takes over when one goes', async (t) => {
  const own = await databases(t)
  const settings = { DATABASE_URL: own.databaseUrl, MONGODB_URL: own.mongoUrl, MONGODB_DATABASE: own.mongoDatabase }
  const two = await build(t, { plugins: copiedThings, settings })
  const one = await buildApp({ logger: false, plugins: copiedThings, settings: { NODE_ENV: 'test', ...settings } })
  t.teardown(() => one.close())
  const copied = async (app: App) => (await read(app, '/copied-notes')).body
  for (let n = 0; n < 10; n++) await write(n % 2 === 0 ? one : two, '/notes')
  await until('all are in SQL', async () => (await copied(one)).length === 10)
  const follows = (app: App) =>
    app.changeStream.stats().some(({ stream, state }) => stream === 'notes' && state === 'following')
  await until('exactly one follows', () => [one, two].filter(follows).length === 1)
  for (const app of [one, two]) {
    const { body } = await write(app, '/notes', { prefer: 'wait=5' })
    t.ok(has(await copied(app), body.id), 'a wait sees what another process carries over')
  }
  await one.close()
  await write(two, '/notes', { prefer: 'wait=10' })
  t.equal((await copied(two)).length, 13)
  const { body } = await write(two, '/followed', { prefer: 'wait=10' })
  t.ok(has((await read(two, '/copied-things')).body, body.id))
})

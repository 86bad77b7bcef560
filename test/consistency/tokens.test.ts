import { Type } from '@sinclair/typebox'
import { ObjectId } from 'mongodb'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { parseTokens, sqlToken } from '../../plugins/read-your-writes/token.ts'
import { copiedThings } from '../fixture/copies.ts'
import { build, engines } from '../helper.ts'
import { until } from '../until.ts'

let serial = 0
const newThing = () => ({ name: `Thing ${++serial}` })
const tokenOf = (reply: { headers: Record<string, unknown> }) =>
  reply.headers['consistency-token'] as string | undefined
const post = (app: App, url: string, payload: object, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url, payload, headers })
const isConfirmed = async (app: App, token: string, wait = 0) =>
  tokenOf(
    await app.inject({ url: '/copied-things', headers: { 'consistency-token': token, prefer: `wait=${wait}` } })
  ) === token

/** The service, and a second collection whose stream can be held up. */
async function buildWithReviews (t: Test) {
  const state = { isStuck: false }
  const app = await build(t, {
    plugins: async (app) => {
      await copiedThings(app)
      app.changeStream.follow('reviews', {
        collection: () => mongoDatabase(app).collection('reviews'),
        apply: async () => {
          if (state.isStuck) throw new Error('stuck')
        },
        copy: async () => ({})
      })
      const schema = { body: Type.Object({ text: Type.String() }) }
      const transaction = { store: 'mongo' } as const
      for (const collection of ['reviews', 'drafts']) {
        app.post(`/${collection}`, { config: { transaction }, schema }, async (request, reply) => {
          await request.mongo.collection(collection).insertOne({ _id: new ObjectId(), ...request.body })
          reply.code(201)
          return {}
        })
      }
    }
  })
  await until('both streams are followed', () => app.changeStream.stats().every(({ state }) => state === 'following'))
  return { app, state }
}

t.test('a token of MongoDB names the stream of the collection that was written', async (t) => {
  const { app, state } = await buildWithReviews(t)
  state.isStuck = true
  const review = tokenOf(await post(app, '/reviews', { text: 'good' })) ?? ''
  t.match(review, /^mongo-reviews-/)
  const written = await post(app, '/notes', newThing(), { prefer: 'wait=10' })
  t.equal(written.headers['preference-applied'], 'wait=10', 'notes do not wait for reviews')
  t.match(tokenOf(written), /^mongo-notes-/)
  t.notOk(await isConfirmed(app, review), 'a stream that is stuck confirms nothing')
  t.notOk(await isConfirmed(app, `${tokenOf(written)}, ${review}`))
  state.isStuck = false
  t.ok(await isConfirmed(app, review, 10))
  const waited = await post(app, '/reviews', { text: 'better' }, { prefer: 'wait=10' })
  t.equal(waited.headers['preference-applied'], 'wait=10', 'with notes idle')
  const draft = await post(app, '/drafts', { text: 'mine' }, { prefer: 'wait=1' })
  t.equal(tokenOf(draft), undefined, 'nobody follows this collection')
  t.equal(draft.headers['preference-applied'], undefined)
  const key = { 'idempotency-key': `"${crypto.randomUUID()}"` }
  await post(app, '/reviews', { text: 'once' }, key)
  const again = await post(app, '/reviews', { text: 'once' }, key)
  t.match(again.headers, { 'idempotency-replayed': 'true', 'consistency-token': /^mongo-reviews-/ })
  t.notOk('consistency-streams' in again.headers)
})

for (const [engine, settings] of Object.entries(engines)) {
  t.test(`${engine}: tokens that were never given, and those of another time, confirm nothing`, async (t) => {
    const app = await build(t, { plugins: copiedThings, settings })
    const first = await post(app, '/followed', newThing(), { prefer: 'wait=10' })
    const token = tokenOf(first) ?? ''
    const [write] = parseTokens(token)?.sql ?? []
    if (write === undefined) throw new Error(`${token} is no token`)
    t.ok(await isConfirmed(app, token), 'one that was given')
    const lies = {
      'an event that never was': sqlToken({ ...write, event: String(Number(write.event) + 1000) }),
      'a thing that never was': sqlToken({ ...write, key: '4711' }),
      'no thing at all': sqlToken({ ...write, key: 'x' }),
      'a topic that never was': sqlToken({ ...write, topic: 'nothing' }),
      'another epoch': sqlToken({ ...write, timeline: `${write.timeline}1` }),
      'a form that is given no more': `sql-${write.event}`,
      'a large number': 'sql-9000000000000000',
      'a time to come': `mongo-notes-${write.timeline}-7fffffff00000001`,
      'a stream that never was': `mongo-nothing-${write.timeline}-0000000100000001`,
      'a time without its stream': 'mongo-0000000100000001'
    }
    for (const [what, lie] of Object.entries(lies)) {
      const reply = await app.inject({ url: '/copied-things', headers: { 'consistency-token': lie, prefer: 'wait=0' } })
      t.equal(reply.statusCode, 200, what)
      t.equal(tokenOf(reply), undefined, what)
      t.notOk(await isConfirmed(app, `${token}, ${lie}`), `${what}, beside a true one`)
    }
  })

  t.test(`${engine}: which writes have a token`, async (t) => {
    const app = await build(t, {
      settings,
      plugins: async (app) => {
        await copiedThings(app)
        app.post('/versions', async (_request, reply) => {
          reply.code(201)
          return { id: 1, version: 1 }
        })
      }
    })
    const created = await post(app, '/followed', newThing(), { prefer: 'wait=10' })
    const { id } = created.json<{ id: number }>()
    const url = `/followed/${id}`
    const named = new RegExp(`^sql-things-\\w+-\\d+-${id}$`)
    t.match(tokenOf(created), named)
    t.match(tokenOf(await app.inject({ method: 'PATCH', url, payload: { name: 'C' } })), named)
    t.equal(tokenOf(await post(app, '/versions', {})), undefined, 'a version of its own is no event')
    t.equal(tokenOf(await post(app, '/things', newThing())), undefined, 'without an event there is none')
    const gone = (await post(app, '/followed', newThing())).json<{ id: number }>().id
    const deleted = tokenOf(
      await app.inject({ method: 'DELETE', url: `/followed/${gone}`, headers: { prefer: 'wait=10' } })
    )
    t.match(deleted, new RegExp(`^sql-things-\\w+-\\d+-${gone}$`))
    t.ok(await isConfirmed(app, deleted ?? '', 10), 'the tombstone shows it')
    t.equal(
      tokenOf(await app.inject({ method: 'DELETE', url: `/followed/${gone}` })),
      undefined,
      '404: nothing was written'
    )
  })
}

t.test('an event that was discarded is not confirmed', async (t) => {
  const app = await build(t, { plugins: copiedThings, settings: { PROJECTIONS: false } })
  const token = tokenOf(await post(app, '/followed', newThing())) ?? ''
  await app.pg.query('UPDATE outbox SET parked_at = now()')
  const [parked] = await app.outbox.store.parked()
  await app.outbox.store.discard([parked?.id ?? ''])
  t.notOk(await isConfirmed(app, token, 1))
})

t.test('what was given before a store went back is not confirmed', async (t) => {
  const app = await build(t, { plugins: copiedThings })
  const thing = tokenOf(await post(app, '/followed', newThing(), { prefer: 'wait=10' })) ?? ''
  const written = tokenOf(await post(app, '/notes', newThing(), { prefer: 'wait=10' })) ?? ''
  t.ok(await isConfirmed(app, `${thing}, ${written}`))
  await app.pg.query('UPDATE fence SET counter = 0, confirmed = 0')
  await app.projections.fence.settle()
  t.notOk(await isConfirmed(app, thing))
  t.notOk(await isConfirmed(app, written))
  t.ok(await isConfirmed(app, tokenOf(await post(app, '/followed', newThing())) ?? '', 10))
})

t.test('a route that announces a topic nobody carries over refuses to boot', async (t) => {
  await t.rejects(
    build(t, {
      plugins: async (app) => {
        app.post('/gifts', { config: { announces: 'gifts' } }, async () => ({}))
      }
    }),
    { message: /config.announces 'gifts'/ }
  )
})

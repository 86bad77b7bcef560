import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { buildApp, type App } from '../../app.ts'
import { build, databases } from '../helper.ts'
import { Proxy } from '../proxy.ts'
import { until } from '../until.ts'
import { killRounds } from './kills.ts'
import { ownServer } from './servers.ts'
import { isWell, newEmail, type Survivor } from './well.ts'

const survivor = (app: App): Survivor => ({
  databaseUrl: String(app.config.DATABASE_URL),
  pool: app.pg.pool,
  send: async (method, url, body) => (await app.inject({ method, url, ...(body && { payload: body }) })).statusCode
})
const post = async (app: App, url: string, payload: object) => {
  const reply = await app.inject({ method: 'POST', url, payload })
  return {
    status: reply.statusCode,
    type: (reply.json() as { type?: string }).type ?? '',
    body: reply.json() as { id: string }
  }
}

t.test('F10 MongoDB: the primary steps down, then the server is killed, under load', async (t) => {
  const server = await ownServer(t, 'mongodb')
  const { databaseUrl } = await databases(t)
  const app = await buildApp({
    logger: false,
    settings: { NODE_ENV: 'test', DATABASE_URL: databaseUrl, MONGODB_URL: server.url }
  })
  t.teardown(() => app.close())
  t.equal((await post(app, '/users', { name: 'Ada', email: newEmail() })).status, 201)
  const ledger: Array<{ slug: string; status: number; type: string }> = []
  const reads: number[] = []
  let isStopped = false
  t.teardown(() => {
    isStopped = true
  })
  const clients = Promise.all(Array.from({ length: 6 }, async (_, me) => {
    for (let n = 0; !isStopped; n++) {
      const slug = `c${me}-n${n}`
      const { status, type } = await post(app, '/posts', {
        title: 'On',
        content: 'x',
        category: 'x',
        author_id: 1,
        slug
      })
      ledger.push({ slug, status, type })
      const replies = await Promise.all(
        ['/posts', '/posts/summaries', '/users/summary', '/posts?limit=1'].map((url) => app.inject(url))
      )
      reads.push(...replies.map(({ statusCode }) => statusCode))
      await sleep(30)
    }
  }))
  const more = async (what: string) => {
    const acked = () => ledger.filter(({ status }) => status === 201).length
    const now = acked()
    await until(what, () => acked() >= now + 20, 60_000)
  }
  await more('writes work')
  const admin = new MongoClient(server.url.replace(/\?.*/, '?directConnection=true'))
  t.teardown(() => admin.close())
  for (let election = 0; election < 2; election++) {
    await admin.db('admin').command({ replSetStepDown: 2, secondaryCatchUpPeriodSecs: 1, force: true })
    await more('writes work after the election')
  }
  await server.down('SIGKILL')
  await server.up()
  await more('writes work after the restart')
  isStopped = true
  await clients
  const stored = (await admin.db(app.config.MONGODB_DATABASE).collection<{ slug: string }>('posts').find().toArray())
    .map(({ slug }) => slug)
  t.equal(new Set(stored).size, stored.length, 'no document is there twice')
  const isUnknown = (type: string) => type.endsWith('#outcome-unknown')
  t.same(
    ledger.filter(({ slug, status, type }) => !isUnknown(type) && stored.includes(slug) !== (status === 201)),
    [],
    'every answer is what is stored'
  )
  t.same(
    ledger.filter(({ status, type }) => status !== 201 && status !== 503 && !isUnknown(type)),
    [],
    'refusals are 503'
  )
  t.same(reads.filter((status) => status !== 200 && status !== 503), [], 'reads are answered, or 503')
  await isWell(t, survivor(app))
})

t.test('F12 MongoDB goes silent', async (t) => {
  const { mongoUrl } = await databases(t)
  const proxy = await Proxy.start(mongoUrl)
  const app = await build(t, {
    settings: {
      PROJECTIONS: false,
      MONGODB_URL: proxy.throughDirectly(mongoUrl)
    }
  })
  t.teardown(() => proxy.close())
  t.equal((await post(app, '/users', { name: 'Ada', email: newEmail() })).status, 201)
  t.equal((await app.inject('/posts')).statusCode, 200)
  proxy.pause()
  const [read, write, sql] = await Promise.all([
    app.inject('/posts'),
    post(app, '/posts', { title: 'On', content: 'x', category: 'x', author_id: 1 }),
    app.inject('/users')
  ])
  t.ok([503, 504].includes(read.statusCode), `a read ends: ${read.statusCode}`)
  t.ok(
    [503, 504].includes(write.status) || write.type.endsWith('#outcome-unknown'),
    `a write ends: ${write.status} ${write.type}`
  )
  t.equal(sql.statusCode, 200, 'SQL works meanwhile')
  await until('it is known to be down', () => app.mongoState.state === 'down')
  t.equal((await app.inject('/posts')).statusCode, 503, 'and refused at once')
  proxy.resume()
  await isWell(t, survivor(app), 20_000)
})

t.test('F36 MongoDB is down while users are written', async (t) => {
  const { mongoUrl } = await databases(t)
  const proxy = await Proxy.start(mongoUrl)
  const app = await build(t, {
    settings: {
      MONGODB_URL: proxy.throughDirectly(mongoUrl)
    }
  })
  t.teardown(() => proxy.close())
  proxy.refuse()
  const ids: number[] = []
  for (let n = 0; n < 20; n++) {
    const { status, body } = await post(app, '/users', { name: 'First', email: newEmail() })
    t.equal(status, 201)
    ids.push(Number(body.id))
    for (const name of ['Second', 'Third']) {
      t.equal((await app.inject({ method: 'PATCH', url: `/users/${body.id}`, payload: { name } })).statusCode, 200)
    }
  }
  await until('the backlog is seen', async () => (await app.pg.query('select 1 from outbox')).rowCount === 60)
  proxy.accept()
  const summaries = async () =>
    app.mongoState.state === 'down'
      ? []
      : (await app.inject('/users/summary')).json() as Array<{ id: number; name: string }>
  await until('all have arrived', async () => (await app.pg.query('select 1 from outbox')).rowCount === 0, 30_000)
  t.same(
    (await summaries()).map(({ id, name }) => [id, name]),
    ids.map((id) => [id, 'Third']),
    'each user as it was last, once'
  )
  await isWell(t, survivor(app))
})

t.test('F28 F29 the service is killed again and again, and what was not answered is sent again', async (t) => {
  await killRounds(t, 3)
})

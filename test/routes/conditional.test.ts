import type { LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { getVersion, parseTags } from '../../plugins/conditional/etag.ts'
import { build, listen } from '../helper.ts'
import { isProblem, onEachEngine } from './engines.ts'

type Method = 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'DELETE'
let serial = 0

function getTag (response: Response): string {
  return String(response.headers['etag'])
}

async function createUser (app: App): Promise<{ url: string; tag: string }> {
  const response = await app.inject({
    method: 'POST',
    url: '/users',
    payload: { email: `tag${++serial}@example.com`, name: 'First' }
  })
  return { url: String(response.headers.location), tag: getTag(response) }
}

async function createPost (app: App): Promise<{ url: string; tag: string }> {
  const { url } = await createUser(app)
  const author_id = Number(url.split('/').at(-1))
  const response = await app.inject({
    method: 'POST',
    url: '/posts',
    payload: { title: 'First', content: 'c', category: 'k', author_id }
  })
  return { url: String(response.headers.location), tag: getTag(response) }
}

function createSender (app: App) {
  return (method: Method, url: string, headers: Record<string, string>, payload?: object) =>
    app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) })
}

onEachEngine(t, async (t, { app }) => {
  const send = createSender(app)
  for (
    const [name, create, change] of [['user', createUser, (text: string) => ({ name: text })], [
      'post',
      createPost,
      (text: string) => ({ title: text })
    ]] as const
  ) {
    t.test(`a ${name} has a strong tag that changes with it, the same from every route`, async (t) => {
      const { url, tag } = await create(app)
      t.match(tag, /^"\d+-[\w-]+"$/)
      t.equal(getTag(await send('GET', url, {})), tag)
      t.equal(getTag(await send('HEAD', url, {})), tag)
      const changed = await send('PATCH', url, {}, change('Second'))
      t.not(getTag(changed), tag)
      t.equal(getTag(await send('GET', url, {})), getTag(changed))
      t.notHas((await send('GET', url, {})).json<object>(), { version: Number })
    })

    t.test(`a ${name} that the client has is not sent again`, async (t) => {
      const { url, tag } = await create(app)
      for (const value of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
        for (const method of ['GET', 'HEAD'] as const) {
          const response = await send(method, url, { 'if-none-match': value })
          t.equal(response.statusCode, 304, value)
          t.equal(response.body, '')
          t.equal(getTag(response), tag)
          t.notHas(response.headers, { 'content-type': String })
        }
      }
      for (const value of ['"other"', tag.replaceAll('"', "'"), '', '"0"']) {
        t.equal((await send('GET', url, { 'if-none-match': value })).statusCode, 200, value)
      }
      t.equal(
        (await send('GET', url, { 'if-modified-since': new Date().toUTCString(), range: 'bytes=0-1' })).statusCode,
        200
      )
    })

    t.test(`a ${name} is changed only as the client knows it`, async (t) => {
      const { url, tag } = await create(app)
      const changed = await send('PUT', url, { 'if-match': tag }, change('Second'))
      t.equal(changed.statusCode, 200)
      const now = getTag(changed)
      for (
        const stale of [tag, `W/${now}`, '"nothing-of-ours"', `"x", ${tag}`, '"999999999-x"', `"${'9'.repeat(40)}-x"`]
      ) {
        for (const method of ['PUT', 'PATCH', 'DELETE'] as const) {
          const response = await send(
            method,
            url,
            { 'if-match': stale },
            method === 'DELETE' ? undefined : change('Lost')
          )
          isProblem(t, response, 412, { type: '/docs/problems#precondition-failed' })
        }
      }
      t.equal((await send('PATCH', url, { 'if-none-match': now }, change('Lost'))).statusCode, 412)
      t.equal((await send('PUT', url, { 'if-none-match': '*' }, change('Lost'))).statusCode, 412)
      t.equal((await send('DELETE', url, { 'if-none-match': '*' })).statusCode, 412)
      t.match(Object.values((await send('GET', url, {})).json<object>()), /Second/)
      t.equal((await send('PATCH', url, { 'if-none-match': tag }, change('Third'))).statusCode, 200)
      t.equal((await send('PATCH', url, { 'if-match': '*' }, change('Fourth'))).statusCode, 200)
      const last = getTag(await send('GET', url, {}))
      t.equal((await send('DELETE', url, { 'if-match': `"a,b", ${last}` })).statusCode, 204)
      t.equal(
        (await send('PUT', url, { 'if-match': last }, change('Lost'))).statusCode,
        404,
        'what is not there is 404 with or without'
      )
      t.equal((await send('PUT', url, { 'if-none-match': '*' }, change('Lost'))).statusCode, 404)
    })

    t.test(`of writers who know the same ${name} one wins`, async (t) => {
      const { url, tag } = await create(app)
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => send('PATCH', url, { 'if-match': tag }, change(`Writer ${i}`)))
      )
      t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [200, ...Array(7).fill(412)])
      const winner = answers.find(({ statusCode }) => statusCode === 200)
      t.equal(getTag(await send('GET', url, {})), winner === undefined ? '' : getTag(winner))
    })

    t.test(`conditions of a ${name} that are none are refused`, async (t) => {
      const { url } = await create(app)
      for (const value of ['7', 'abc', '"open', '""x', '*, "a"']) {
        t.equal((await send('PATCH', url, { 'if-match': value }, change('Lost'))).statusCode, 400, value)
      }
    })
  }

  t.test('an order has a tag of its bytes', async (t) => {
    const { url } = await createUser(app)
    const created = await app.inject({
      method: 'POST',
      url: '/orders',
      payload: { user_id: Number(url.split('/').at(-1)), items: [{ product: 'p', quantity: 1, unit_price: '1.00' }] }
    })
    const order = String(created.headers.location)
    const tag = getTag(await send('GET', order, {}))
    t.match(tag, /^"[\w-]{22}"$/)
    t.equal((await send('GET', order, { 'if-none-match': tag })).statusCode, 304)
  })
})

t.test('a post of an earlier release has a tag too', async (t) => {
  const app = await build(t)
  const send = createSender(app)
  const { url } = await createPost(app)
  await mongoDatabase(app).collection('posts').updateMany({}, { $unset: { version: '' } })
  const tag = getTag(await send('GET', url, {}))
  t.match(tag, /^"0-/)
  t.equal((await send('PATCH', url, { 'if-none-match': tag }, { title: 'Lost' })).statusCode, 412)
  t.equal((await send('PATCH', url, { 'if-match': tag }, { title: 'Second' })).statusCode, 200)
  t.equal((await send('PATCH', url, { 'if-match': tag }, { title: 'Lost' })).statusCode, 412)
})

t.test('where conditions are required, a write without one is refused', async (t) => {
  const app = await build(t, { settings: { REQUIRE_IF_MATCH: true } })
  const send = createSender(app)
  const { url, tag } = await createUser(app)
  isProblem(t, await send('PATCH', url, {}, { name: 'Lost' }), 428, { type: '/docs/problems#precondition-required' })
  isProblem(t, await send('DELETE', url, {}), 428)
  t.equal((await send('PATCH', url, { 'if-match': tag }, { name: 'Second' })).statusCode, 200)
})

t.test('a 304 over a socket has no body, and the connection goes on', async (t) => {
  const app = await build(t)
  const origin = await listen(t, app)
  const { url, tag } = await createUser(app)
  for (let i = 0; i < 2; i++) {
    const response = await fetch(origin + url, { headers: { 'if-none-match': tag } })
    t.equal(response.status, 304)
    t.equal(await response.text(), '')
  }
  t.equal((await fetch(origin + url)).status, 200)
})

t.test('tags are read one by one', async (t) => {
  t.same(parseTags('"a,b" , W/"c"'), [{ isWeak: false, value: 'a,b' }, { isWeak: true, value: 'c' }])
  t.same(parseTags(' * '), '*')
  for (const header of ['', ',', 'a', '"a" "b"', '"ä"', 'w/"a"']) {
    t.equal(parseTags(header), undefined, header)
  }
  t.equal(getVersion({ isWeak: false, value: '7-abc' }), '7')
  t.equal(getVersion({ isWeak: false, value: '7' }), '-1')
})

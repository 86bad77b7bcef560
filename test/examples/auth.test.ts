import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import type { App, BuildOptions } from '../../app.ts'
import auth from '../../examples/auth/index.ts'
import type { IssuerOptions, KeyOptions } from '../../examples/auth/keys.ts'
import { prepare } from '../../examples/auth/prepare.ts'
import { tenantCollection, type OfTenant } from '../../examples/auth/tenant-documents.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { build } from '../helper.ts'
import { claimsOf, createSignedToken, createToken, ISSUER, SECRET } from './tokens.ts'

interface Note {
  id: string
  slug: string
}
interface Sent {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  url: string
  as?: string
  payload?: object
  headers?: Record<string, string>
}

async function service (
  t: Test,
  keys: KeyOptions = { secret: SECRET },
  settings: BuildOptions['settings'] = {}
): Promise<App> {
  const app = await build(t, {
    settings: { PROJECTIONS: false, ...settings },
    plugins: async (app) => {
      await app.register(auth, { ...keys, ...ISSUER } as KeyOptions & IssuerOptions)
    }
  })
  const client = new pg.Client(app.config.DATABASE_URL)
  await client.connect()
  await prepare(client, mongoDatabase(app)).finally(() => client.end())
  return app
}

const tokens = { red: createToken(claimsOf('red')), blue: createToken(claimsOf('blue')) }

async function send (
  app: App,
  { method = 'GET', url, as = tokens.red, payload, headers = {} }: Sent
): Promise<LightMyRequestResponse> {
  return await app.inject({
    method,
    url,
    ...(payload && { payload }),
    headers: { authorization: `Bearer ${as}`, ...headers }
  })
}

const note = (slug: string) => ({ slug, title: `Title of ${slug}`, body: 'secret of blue' })

/** What an answer tells, without what every answer has anew. */
function told ({ statusCode, headers, body }: LightMyRequestResponse): unknown {
  const { 'x-request-id': _, date: _date, ...rest } = headers
  return { statusCode, headers: rest, body: body.replace(/"instance":"[^"]*"/, '') }
}

t.test('red and blue', async (t) => {
  const app = await service(t)
  for (const url of ['/notes', '/documents']) {
    await t.test(url, async (t) => {
      const key = randomUUID()
      const created = await send(app, {
        method: 'POST',
        url,
        as: tokens.blue,
        payload: note('plan'),
        headers: { 'idempotency-key': key }
      })
      t.equal(created.statusCode, 201)
      t.equal(created.headers['consistency-token'], undefined, 'no token that would count')
      const { id } = created.json<Note>()
      const tag = String(created.headers.etag)
      const missing = randomUUID()

      await t.test('red finds nothing of blue in any list or projection', async (t) => {
        for (
          const list of [url, `${url}/summaries`, `${url}?limit=1`, `${url}?after=00000000-0000-4000-8000-000000000000`]
        ) {
          const reply = await send(app, { url: list })
          t.match(reply, { statusCode: 200, body: '[]' }, list)
          t.equal(reply.headers.link, undefined)
        }
        t.match((await send(app, { url: `${url}/summaries`, as: tokens.blue })).json(), [{ id }])
      })

      await t.test("what is blue's is to red as what nobody has", async (t) => {
        const requests: Array<Omit<Sent, 'url'>> = [
          {},
          { headers: { 'if-none-match': tag } },
          { headers: { 'if-none-match': '*' } },
          { method: 'PATCH', payload: { title: 'red was here' } },
          { method: 'PATCH', payload: { title: 'red was here' }, headers: { 'if-match': tag } },
          { method: 'PATCH', payload: { title: 'red was here' }, headers: { 'if-match': '*' } },
          { method: 'PATCH', payload: { title: 'red was here' }, headers: { 'if-none-match': '*' } },
          { method: 'PATCH', payload: { slug: 'plan' }, headers: { 'if-match': '"99-x"' } },
          { method: 'DELETE' },
          { method: 'DELETE', headers: { 'if-match': tag } },
          { method: 'DELETE', headers: { 'if-match': '"99-x"' } }
        ]
        for (const request of requests) {
          const [theirs, nobodys] = [
            await send(app, { ...request, url: `${url}/${id}` }),
            await send(app, { ...request, url: `${url}/${missing}` })
          ]
          t.equal(theirs.statusCode, 404, JSON.stringify(request))
          t.same(told(theirs), told(nobodys))
        }
        const kept = await send(app, { url: `${url}/${id}`, as: tokens.blue })
        t.match(kept, { statusCode: 200, headers: { etag: tag, vary: /authorization/ } })
        t.match(kept.json(), note('plan'))
      })

      await t.test('a slug of blue is free for red, and taken twice by nobody', async (t) => {
        const mine = await send(app, { method: 'POST', url, payload: note('plan') })
        t.equal(mine.statusCode, 201)
        t.equal((await send(app, { method: 'POST', url, payload: note('plan') })).statusCode, 409)
        const other = await send(app, { method: 'POST', url, payload: note('mine') })
        const renamed = await send(app, {
          method: 'PATCH',
          url: `${url}/${other.json<Note>().id}`,
          payload: { slug: 'plan' }
        })
        t.equal(renamed.statusCode, 409, 'its own is taken')
        for (const { json } of [mine, other]) {
          t.equal((await send(app, { method: 'DELETE', url: `${url}/${json<Note>().id}` })).statusCode, 204)
        }
      })

      await t.test('no replay gives red the answer of blue, nor that of another user or role', async (t) => {
        const replay = async (as: string) =>
          await send(app, { method: 'POST', url, as, payload: note('plan'), headers: { 'idempotency-key': key } })
        const red = await replay(tokens.red)
        t.equal(red.statusCode, 201, 'its own work')
        t.not(red.json<Note>().id, id)
        t.equal(red.headers['idempotency-replayed'], undefined)
        t.match(await replay(createToken({ ...claimsOf('blue'), jti: 'renewed' })), {
          statusCode: 201,
          body: created.body,
          headers: { 'idempotency-replayed': 'true' }
        })
        t.equal((await replay(createToken(claimsOf('blue', 'eve')))).statusCode, 409, 'done for itself, and taken')
        t.equal((await replay(createToken(claimsOf('blue', 'ada', 'reader')))).statusCode, 403)
        await send(app, { method: 'DELETE', url: `${url}/${red.json<Note>().id}` })
      })

      await t.test('a token of consistency opens nothing', async (t) => {
        const headers = { 'consistency-token': 'anything' }
        t.equal(
          (await send(app, { url: `${url}/${id}`, headers })).statusCode,
          (await send(app, { url: `${url}/${missing}`, headers })).statusCode
        )
      })

      await t.test("pages hold the caller's own, each once", async (t) => {
        const slugs = ['one', 'two', 'three', 'four', 'five']
        for (const slug of slugs) await send(app, { method: 'POST', url, payload: note(slug) })
        const seen: string[] = []
        for (let page: string | undefined = `${url}?limit=2`; page !== undefined;) {
          const reply: LightMyRequestResponse = await send(app, { url: page })
          seen.push(...reply.json<Note[]>().map(({ slug }) => slug))
          page = /^<([^>]+)>/.exec(String(reply.headers.link ?? ''))?.[1]
        }
        t.same(seen.sort(), slugs.sort())
      })
    })
  }

  await t.test('row-level security holds for statements that forget the tenant', async (t) => {
    const rows = async (settings: string) => {
      const client = new pg.Client(app.config.DATABASE_URL)
      await client.connect()
      try {
        await client.query(`BEGIN; SET LOCAL ROLE tandem_tenant; ${settings}`)
        return (await client.query<{ tenant: string }>('SELECT DISTINCT tenant FROM notes')).rows.map(({ tenant }) =>
          tenant
        )
      } finally {
        await client.end()
      }
    }
    t.same(await rows(''), [], 'without a tenant there is nothing')
    t.same(await rows("SET LOCAL app.tenant = ''"), [])
    t.same(await rows("SET LOCAL app.tenant = 'blue'"), ['blue'])
    await t.rejects(rows("SET LOCAL app.tenant = 'red'; UPDATE notes SET tenant = 'blue'"), { code: '42501' })
  })

  await t.test('the handle on MongoDB cannot be talked out of its tenant', async (t) => {
    const red = tenantCollection<OfTenant>(mongoDatabase(app), 'notes', 'red')
    for (
      const filter of [{ tenant: 'blue' }, { $or: [{ tenant: 'blue' }, {}] }, { tenant: { $ne: 'red' } }, {
        $expr: { $eq: ['$tenant', 'blue'] }
      }, {}]
    ) {
      t.ok((await red.find(filter)).every(({ tenant }) => tenant === 'red'), JSON.stringify(filter))
    }
    t.equal(await red.updateOne({ tenant: 'blue' }, { $set: { title: 'x' } }), null)
    for (
      const update of [
        { $set: { tenant: 'blue' } },
        { $unset: { tenant: '' } },
        { $rename: { tenant: 'x' } },
        { $rename: { title: 'tenant' } },
        [{ $set: { tenant: 'blue' } }],
        { tenant: 'blue' },
        {},
        { $set: { 'tenant.a': 1 } }
      ]
    ) {
      await t.rejects(red.updateOne({}, update as object), TypeError, JSON.stringify(update))
    }
    const forged = { _id: randomUUID(), slug: 'forged', tenant: 'blue' }
    const stored = await red.insertOne(forged)
    t.equal(stored.tenant, 'red')
    t.throws(() => tenantCollection(mongoDatabase(app), 'notes', ''), TypeError)
  })
})

t.test('who is not who he says gets 401 before anything else', async (t) => {
  const app = await service(t)
  const claims = claimsOf('red')
  const { exp: _exp, ...endless } = claims
  const wrong: Record<string, string> = {
    'another secret': createToken(claims, 'x'.repeat(40)),
    'no signature': createToken(claims, '', 'none'),
    expired: createToken({ ...claims, exp: 1 }),
    'for ever': createToken(endless),
    'another issuer': createToken({ ...claims, iss: 'https://other.example' }),
    'another audience': createToken({ ...claims, aud: 'others' }),
    'no tenant': createToken({ ...claims, tenant: undefined }),
    'a tenant that is none': createToken({ ...claims, tenant: "red'; DROP TABLE notes" }),
    'a tenant that is a list': createToken({ ...claims, tenant: ['red'] }),
    'no subject': createToken({ ...claims, sub: '' }),
    'another role': createToken({ ...claims, role: 'postgres' }),
    'no token': 'abc'
  }
  for (const [name, as] of Object.entries(wrong)) {
    for (const url of ['/notes', '/documents', `/notes/${randomUUID()}`, '/notes/not-an-id']) {
      const reply = await send(app, { url, as })
      t.match(reply, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } }, `${name} ${url}`)
    }
    t.equal((await send(app, { method: 'POST', url: '/notes', as, payload: { wrong: true } })).statusCode, 401)
  }
  t.equal((await app.inject('/notes')).statusCode, 401, 'without a header')
  const reader = createToken(claimsOf('red', 'ada', 'reader'))
  t.equal((await send(app, { url: '/notes', as: reader })).statusCode, 200)
  t.equal((await send(app, { method: 'POST', url: '/documents', as: reader, payload: note('a') })).statusCode, 403)
  await t.rejects(service(t, { secret: 'short' }), /shorter than 32 bytes/)
})

t.test('the rate limit follows the caller, not the address', async (t) => {
  const app = await service(t, { secret: SECRET }, { RATE_LIMIT_MAX: 3 })
  for (let n = 0; n < 3; n++) t.equal((await send(app, { url: '/notes' })).statusCode, 200)
  t.equal((await send(app, { url: '/notes' })).statusCode, 429)
  t.equal((await send(app, { url: '/notes', as: createToken({ ...claimsOf('red'), jti: 'renewed' }) })).statusCode, 429)
  t.equal((await send(app, { url: '/notes', as: tokens.blue })).statusCode, 200)
})

t.test('keys of an issuer, which change', async (t) => {
  const [first, second] = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('rsa', { modulusLength: 2048 })
  ]
  let isUp = false
  const issuer = createServer((_request, reply) => {
    if (!isUp) return reply.writeHead(503).end()
    return reply.end(JSON.stringify({ keys: [{ ...first.publicKey.export({ format: 'jwk' }), kid: 'a', use: 'sig' }] }))
  }).listen(0, '127.0.0.1')
  await once(issuer, 'listening')
  t.teardown(() => issuer.close())
  const app = await service(t, { jwks: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks` })
  const ask = async (as: string) => (await send(app, { url: '/notes', as })).statusCode
  const good = createSignedToken(claimsOf('red'), 'a', first.privateKey)
  t.equal(await ask(good), 401, 'the issuer does not answer')
  isUp = true
  t.equal(await ask(good), 200, 'and does again')
  t.equal(await ask(createSignedToken(claimsOf('red'), 'a', second.privateKey)), 401, 'another key under this name')
  t.equal(await ask(createSignedToken(claimsOf('red'), 'b', second.privateKey)), 401, 'a key that it does not have')
  const pem = first.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  t.equal(await ask(createToken(claimsOf('red'), pem)), 401, 'the public key taken for a secret')
})

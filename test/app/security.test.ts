import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'
import t from 'tap'
import { SECURITY_HEADERS } from '../../plugins/security.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build } from '../helper.ts'

const EVIL = ['https://evil.example', 'null', 'https://app.example.evil.example', 'http://app.example']

t.test('the security headers are those of helmet', async (t) => {
  const request = new IncomingMessage(new Socket())
  const reply = new ServerResponse(request)
  helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } }
  })(request, reply, () => {})
  t.strictSame({ ...reply.getHeaders() }, SECURITY_HEADERS)
})

t.test('every answer carries security headers', async (t) => {
  const app = await build(t, { plugins: thingRoutes })
  for (const url of ['/things', '/nowhere', '/livez', '/things/abc']) {
    const { headers } = await app.inject(url)
    t.match(headers, {
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin'
    }, url)
    t.notOk(headers['x-powered-by'] ?? headers.server)
  }
})

t.test('F48 CORS is off until origins are listed', async (t) => {
  const app = await build(t, { plugins: thingRoutes })
  for (const origin of [...EVIL, 'https://app.example']) {
    const { headers } = await app.inject({ url: '/things', headers: { origin } })
    t.notOk(headers['access-control-allow-origin'], origin)
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/things',
      headers: { origin, 'access-control-request-method': 'POST' }
    })
    t.equal(preflight.statusCode, 405)
    t.notOk(preflight.headers['access-control-allow-origin'], origin)
  }
})

t.test('F48 listed origins may use every method, others none', async (t) => {
  const app = await build(t, {
    plugins: thingRoutes,
    settings: { CORS_ORIGINS: 'https://app.example, https://admin.example' }
  })
  const ask = async (origin: string, method: string) =>
    await app.inject({
      method: 'OPTIONS',
      url: '/things/1',
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'content-type' }
    })
  for (const origin of ['https://app.example', 'https://admin.example']) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const { statusCode, headers } = await ask(origin, method)
      t.equal(statusCode, 204, `${origin} ${method}`)
      t.equal(headers['access-control-allow-origin'], origin)
      t.match(headers['access-control-allow-methods'], method)
      t.match(headers.vary, /origin/i)
      t.notOk(headers['access-control-allow-credentials'], 'cookies are not for others')
    }
    const { headers } = await app.inject({ url: '/things', headers: { origin } })
    t.match(headers, {
      'access-control-allow-origin': origin,
      vary: /origin/i,
      'access-control-expose-headers': /link/
    })
  }
  for (const origin of EVIL) {
    for (const reply of [await ask(origin, 'DELETE'), await app.inject({ url: '/things', headers: { origin } })]) {
      t.notOk(reply.headers['access-control-allow-origin'], origin)
      t.match(reply.headers.vary, /origin/i)
    }
  }
  const wrong = await app.inject({ method: 'DELETE', url: '/things' })
  t.equal(wrong.statusCode, 405, 'a wrong method is still told from a wrong path')
  t.equal(wrong.headers.allow, 'GET, HEAD, POST')
})

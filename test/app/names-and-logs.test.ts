import { connect } from 'node:net'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import type { Settings } from '../../schemas/settings.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build, comesTrue, listen } from '../helper.ts'

const SECRET = 's3cret-value'
const LOCAL = [
  'localhost',
  'localhost:3000',
  'LOCALHOST',
  'localhost.',
  '127.0.0.1',
  '127.0.0.1:80',
  '127.9.9.9',
  '[::1]',
  '[::1]:3000',
  'app.localhost:3000'
]
const OTHERS = [
  'evil.example',
  'evil.example:3000',
  'localhost.evil.example',
  'evil-localhost',
  '127.0.0.1.evil.example',
  '127.0.0.1.nip.io',
  '0x7f000001',
  '2130706433',
  '0.0.0.0',
  '10.0.0.1',
  '[::ffff:127.0.0.1].evil.example',
  `${Math.random().toString(36).slice(2)}.test`
]

async function ask (app: App, host: string, url = '/things', method: 'GET' | 'POST' = 'GET'): Promise<number> {
  return (await app.inject({ method, url, headers: { host } })).statusCode
}

const quick = (settings: Partial<Settings>) => ({
  plugins: thingRoutes,
  settings: { PROJECTIONS: false, SEED: false, ...settings }
})

t.test('in development a name of another site leads nowhere', async (t) => {
  const app = await build(t, quick({ NODE_ENV: 'development', ALLOWED_HOSTS: 'dev.example, Other.example' }))
  for (const host of LOCAL) t.equal(await ask(app, host), 200, host)
  for (const host of OTHERS) {
    for (const url of ['/things', '/livez', '/openapi.json', '/nowhere']) {
      t.equal(await ask(app, host, url), 421, `${host} ${url}`)
    }
    t.equal(await ask(app, host, '/things', 'POST'), 421)
  }
  for (const host of ['dev.example', 'other.example:3000']) t.equal(await ask(app, host), 200, host)
  const { body } = await app.inject({ url: '/things', headers: { host: 'evil.example' } })
  t.match(JSON.parse(body), { status: 421, type: '/docs/problems#client-error', detail: /ALLOWED_HOSTS/ })
  t.notMatch(body, /evil/)
})

t.test('no name at all is none of the names that are allowed', async (t) => {
  const app = await build(t, quick({ NODE_ENV: 'development' }))
  const port = Number(new URL(await listen(t, app)).port)
  t.equal(await rawStatus(port, ''), 421)
  t.equal(await rawStatus(port, 'localhost'), 200)
})

t.test('elsewhere a proxy in front has its own names', async (t) => {
  for (const settings of [{ NODE_ENV: 'production' }, { NODE_ENV: 'development', HOST: '0.0.0.0' }] as const) {
    const app = await build(t, quick(settings))
    t.equal(await ask(app, 'api.example'), 200)
  }
})

t.test('the admin listener has an address of its own', async (t) => {
  const app = await build(t, quick({ HOST: '0.0.0.0', ADMIN_PORT: 0, ADMIN_HOST: '127.0.0.1' }))
  t.match(app.adminOrigin, /^http:\/\/127\.0\.0\.1:/)
  const status = async (host: string) => await rawStatus(Number(new URL(app.adminOrigin ?? '').port), host)
  t.equal(await status('localhost'), 200)
  t.equal(await status('evil.example'), 421)
  const shared = await build(t, quick({ ADMIN_PORT: 0 }))
  t.match(shared.adminOrigin, /^http:\/\/127\.0\.0\.1:/, 'HOST, where it is not set')
})

async function rawStatus (port: number, host: string): Promise<number> {
  const text = await exchange(port, `GET /livez HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  return Number(text.split(' ')[1])
}

async function exchange (port: number, request: string): Promise<string> {
  return await new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1').on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('close', () => {
      resolve(text)
    }).on('error', () => {})
    socket.write(request)
  })
}

async function traced (t: Test): Promise<{ app: App; lines: string[] }> {
  const lines: string[] = []
  const app = await build(t, {
    ...quick({}),
    logger: { level: 'trace', stream: { write: (line) => void lines.push(line) } },
    plugins: async (app) => {
      await thingRoutes(app)
      app.get('/fails', async () => {
        throw new Error('no answer from https://other.example/a?token=hush and /b?x=hush')
      })
      app.get('/cause', async () => {
        throw new Error('wrapped', { cause: new Error('GET /inner?token=hush failed') })
      })
    }
  })
  return { app, lines }
}

t.test('no line of the log holds a query string, whatever its level', async (t) => {
  const { app, lines } = await traced(t)
  const urls = [
    '/things?token=hush',
    '/things?name=hush@example.com',
    '/things?limit=hush',
    '/nowhere?token=hush',
    '/things/%zz?token=hush',
    '/things/%?token=hush',
    '/things/1%00?token=hush',
    `/things/${'1'.repeat(2000)}?token=hush`,
    '/things/?skip=1&after=1&hush=hush',
    '//things?token=hush',
    '/fails?token=hush',
    '/cause?token=hush',
    '/things?token=%ffhush',
    '/things#hush',
    '/things%3Ftoken=hush',
    '/things/1%3ftoken=hush',
    '/things/1;token=hush',
    'http://ada:hush@localhost/things?limit=1',
    '/docs/static/nowhere.js?token=hush'
  ]
  const port = Number(new URL(await listen(t, app)).port)
  for (const url of urls) {
    await exchange(port, `GET ${url} HTTP/1.1\r\nhost: x\r\nreferer: http://x/?hush\r\nconnection: close\r\n\r\n`)
    await exchange(port, `PURGE ${url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  }
  await exchange(port, 'GET /things?token=hush HTTP/9.9\r\n\r\n')
  await exchange(port, 'GET /things?token=hush\r\n\r\n')
  t.ok(await comesTrue(() => lines.filter((line) => line.includes('"res"')).length >= urls.length))
  t.same(lines.filter((line) => line.includes('hush')), [])
})

t.test('log lines: fields that hold secrets are never written, in objects and bindings neither', async (t) => {
  const lines: string[] = []
  const { log } = await build(t, { logger: { level: 'info', stream: { write: (line) => void lines.push(line) } } })
  lines.length = 0
  log.info({ password: SECRET, settings: { DATABASE_URL: SECRET, PORT: 1 } }, 'mine: top and one deeper')
  log.info({ answer: Object.assign(new Error('no'), { headers: { cookie: SECRET } }) }, 'mine: an error with headers')
  log.info({ model: { token: SECRET, id: 2, toJSON: () => ({ token: SECRET, id: 2 }) } }, 'mine: with toJSON')
  log.info({ err: Object.assign(new Error('kept'), { headers: { cookie: SECRET } }) }, 'mine: a serialized error')
  log.child({ client: { authorization: SECRET, name: 'Ada' } }).info('mine: bindings')
  log.child({ reqId: '1' }).child({ token: SECRET, client: { cookie: SECRET } }).info('mine: bindings of a child')
  const mine = lines.map((line) => JSON.parse(line) as { msg: string }).filter(({ msg }) => msg.startsWith('mine'))
  t.equal(lines.filter((line) => line.includes(SECRET)).length, 0)
  t.match(mine, [
    { password: '[redacted]', settings: { DATABASE_URL: '[redacted]', PORT: 1 } },
    { answer: { headers: '[redacted]' } },
    { model: { token: '[redacted]', id: 2 } },
    { err: { type: 'Error', message: 'kept' } },
    { client: { authorization: '[redacted]', name: 'Ada' } },
    { reqId: '1', token: '[redacted]', client: { cookie: '[redacted]' } }
  ])
})

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildApp } from '../../app.ts'
import { newFolder } from '../folder.ts'
import { build } from '../helper.ts'

const root = path.join(import.meta.dirname, '..', '..')
const committed = readFileSync(path.join(root, 'docs', 'openapi.json'), 'utf8')

interface Operation {
  operationId?: string
  summary?: string
  tags?: string[]
  parameters?: Array<{ name: string; in: string }>
  'x-transaction'?: object
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { description: string; headers?: object; content?: Record<string, { schema: object }> }>
}
interface Document {
  openapi: string
  info: { description: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

const document = JSON.parse(committed) as Document
const operations = Object.entries(document.paths).flatMap(([url, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${url}`,
    url,
    method,
    ...operation
  }))
)

t.test('the committed document is what the routes say, twice the same, without a database', async (t) => {
  const write = async () => {
    const app = await buildApp({
      offline: true,
      logger: false,
      settings: { DATABASE_URL: 'postgres://127.0.0.1:1/none', MONGODB_URL: 'mongodb://127.0.0.1:1/' }
    })
    const text = `${JSON.stringify(app.swagger(), null, 2)}\n`
    await app.close()
    return text
  }
  const text = await write()
  t.ok(text === committed, 'docs/openapi.json is current: otherwise run npm run openapi')
  t.ok(await write() === text, 'the second is byte for byte the first')
})

t.test('every route is documented, and nothing else', async (t) => {
  const app = await buildApp({ offline: true, logger: false })
  t.teardown(() => app.close())
  const documented = operations.map(({ url, method }) => `${method.toUpperCase()} ${url.replace(/\{(\w+)\}/g, ':$1')}`)
  const served = parseRoutes(app.printRoutes({ commonPrefix: false })).filter((route) =>
    !/^HEAD | \/(docs|openapi\.json|$)/.test(route)
  )
  t.strictSame(served.sort(), documented.sort())
})

t.test('a method that a path does not document is 405, and Allow lists those it does', async (t) => {
  const app = await buildApp({ offline: true, logger: false })
  t.teardown(() => app.close())
  for (const [path, methods] of Object.entries(document.paths)) {
    const allowed = Object.keys(methods).map((method) => method.toUpperCase())
    const expected = [...allowed, ...(allowed.includes('GET') ? ['HEAD'] : [])].sort()
    const url = path.replace('{id}', '1').replace('{category}', 'x')
    for (const method of METHODS.filter((name) => !expected.includes(name) && name !== 'CONNECT')) {
      const { statusCode, headers } = await app.inject({ method: method as 'GET', url })
      t.strictSame([statusCode, headers.allow], [405, expected.join(', ')], `${method} ${url}`)
    }
  }
})

t.test('what generated clients and readers need', async (t) => {
  t.equal(document.openapi, '3.1.0')
  const ids = operations.map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, operations.length, 'operationId is unique')
  for (const { name, url, operationId, summary, tags, responses, method } of operations) {
    t.match(operationId, /^[a-z][A-Za-z]+$/, `${name}: operationId`)
    t.ok(summary && tags?.length === 1, `${name}: summary and tag`)
    t.ok(Object.keys(responses).some((status) => status.startsWith('2')), `${name}: a success`)
    for (const [status, { description, content = {} }] of Object.entries(responses)) {
      t.notMatch(description, /^(Default Response|)$/, `${name} ${status}: description`)
      const isProbe = tags?.[0] === 'health'
      if (Number(status) >= 400 && !isProbe) {
        t.strictSame(Object.keys(content), ['application/problem+json'], `${name} ${status}: a problem`)
        t.match(content['application/problem+json'], {
          schema: { $ref: '#/components/schemas/Problem' },
          example: { status: Number(status), type: /^[/]docs[/]problems#[a-z-]+$/ }
        }, `${name} ${status}: with an example of this status`)
      }
    }
    if (tags?.[0] !== 'health') {
      t.ok(['408', '429', '500', '503', '504'].every((status) => status in responses), `${name}: whatever it does`)
      t.equal('414' in responses, url.includes('{'), `${name}: a path that is too long`)
      for (const status of ['429', '503']) t.ok(responses[status]?.headers, `${name} ${status}: Retry-After`)
    }
    if (method === 'post') {
      t.ok(['201', '400', '413', '415'].every((status) => status in responses), `${name}: a body can be wrong`)
    }
  }
  t.ok(operations.every(({ url }) => url === '/' || !url.endsWith('/')), 'no path ends in a slash')
  t.notMatch(Object.keys(document.components.schemas).join(), /def-\d/, 'components have names')
  t.notMatch(committed, /"\$ref": "(?!#\/components\/schemas\/[A-Z])/, 'every reference is a named component')
})

t.test('writes say which store their transaction is in', async (t) => {
  for (const { name, url, method, ...operation } of operations) {
    if (method === 'get') {
      t.equal(operation['x-transaction'], undefined, name)
      continue
    }
    const [, resource = ''] = url.split('/')
    const routes = readFileSync(path.join(root, 'routes', resource, 'index.ts'), 'utf8')
    const store = routes.includes("store: 'mongo'") ? 'mongo' : 'sql'
    t.match(operation['x-transaction'], { store }, name)
  }
})

t.test('the headers of repeated requests and of own writes', async (t) => {
  for (const { name, method, tags, parameters = [], responses } of operations) {
    if (tags?.[0] === 'health') continue
    const asks = parameters.filter((parameter) => parameter.in === 'header').map((parameter) => parameter.name).sort()
    const [, success] = Object.entries(responses).find(([status]) => status.startsWith('2')) ?? []
    const gives = Object.keys(success?.headers ?? {})
    const own = asks.filter((header) => !header?.startsWith('if-'))
    t.strictSame(
      own,
      { get: ['consistency-token', 'prefer'], post: ['idempotency-key', 'prefer'] }[method] ?? ['prefer'],
      name
    )
    t.ok(gives.includes('Consistency-Token'), name)
    t.equal(gives.includes('Preference-Applied'), method !== 'get', name)
    t.equal(gives.includes('Idempotency-Replayed'), method === 'post', name)
  }
})

t.test('where the service is, whom to ask, who may call, and what versions mean', async (t) => {
  t.match(document, { servers: [{ url: '/' }], security: [], info: { contact: { name: /.+/ } } })
  t.match(document.info.description, /405 with `Allow`[^]*Semantic Versioning/)
  const describe = async (settings: { PUBLIC_URL?: string; CONTACT?: string }) => {
    const app = await buildApp({ offline: true, logger: false, settings })
    t.teardown(() => app.close())
    return app.swagger()
  }
  const url = 'https://api.example.com/v1'
  t.match(await describe({ PUBLIC_URL: url, CONTACT: 'help@example.com' }), {
    servers: [{ url }],
    info: { contact: { email: 'help@example.com' } }
  })
  t.match(await describe({ CONTACT: url }), { info: { contact: { url } } })
  await t.rejects(describe({ CONTACT: 'somebody' }), /CONTACT/)
})

t.test('openapi-typescript makes a client of it that type-checks', async (t) => {
  const dir = newFolder(t)
  const bin = (name: string) => path.join(root, 'node_modules', '.bin', name)
  const file = path.join(dir, 'client.ts')
  const run = promisify(execFile)
  await run(bin('openapi-typescript'), [path.join(root, 'docs', 'openapi.json'), '-o', file])
  await run(bin('tsc'), ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', file])
  t.match(readFileSync(file, 'utf8'), 'export interface paths')
})

t.test('documentation is served where DOCS is on, and only there', async (t) => {
  const open = await build(t)
  const served = await open.inject('/openapi.json')
  t.strictSame(served.json(), document)
  const page = await open.inject('/docs')
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-security-policy'], "default-src 'self'")
  t.notMatch(page.body + (await open.inject('/docs/static/swagger-initializer.js')).body, /validator\.swagger\.io/)

  const closed = await build(t, { settings: { DOCS: false } })
  for (const url of ['/openapi.json', '/docs', '/docs/json']) {
    const reply = await closed.inject(url)
    t.equal(reply.statusCode, 404, url)
    const { type } = reply.json<{ type: string }>()
    const [place = '', name] = type.split('#')
    t.match((await closed.inject(place)).body, `id="${name}"`, 'the type of a problem leads to its explanation')
  }
})

// printRoutes draws a tree: the depth of a line is the length of the drawing before its part of the path.
function parseRoutes (tree: string): string[] {
  const parents: Array<{ depth: number; path: string }> = []
  return tree.split('\n').flatMap((line) => {
    const [, drawing = '', part = '', methods = ''] = /^([│├└─\s]*)(\S+) \(([A-Z, ]+)\)$/.exec(line) ?? []
    if (methods === '') return []
    while ((parents.at(-1)?.depth ?? -1) >= drawing.length) parents.pop()
    const url = `${parents.at(-1)?.path ?? ''}${part}`
    parents.push({ depth: drawing.length, path: url })
    return methods.split(', ').map((method) => `${method} ${url}`)
  })
}

t.test('GET / tells where documents and probes are, and each place answers', async (t) => {
  for (const DOCS of [true, false]) {
    const app = await build(t, { settings: { DOCS } })
    const { probes, ...documents } = (await app.inject('/')).json() as { probes: object }
    t.equal('openapi' in documents, DOCS)
    for (const place of [...Object.values(documents), ...Object.values(probes)]) {
      t.equal((await app.inject(String(place))).statusCode, 200, String(place))
    }
  }
})

import { randomInt } from 'node:crypto'
import { connect } from 'node:net'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { App } from '../../app.ts'
import { getClientAddress } from '../../plugins/common/client-address.ts'
import { getBodyLimit } from '../../plugins/validation/body-limit.ts'
import { countValues } from '../../plugins/validation/count-values.ts'
import { AmountSchema, IdSchema, line, text } from '../../schemas/common.ts'
import type { Problem } from '../../schemas/problem.ts'
import { countThings, thingRoutes } from '../fixture/things.ts'
import { build, listen } from '../helper.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const PartSchema = Type.Object({
  product: line(1, 200),
  quantity: Type.Integer({ minimum: 1 }),
  unit_price: AmountSchema
}, {
  additionalProperties: false
})
const BoxSchema = Type.Object({ owner: IdSchema, parts: Type.Array(PartSchema, { minItems: 1, maxItems: 100 }) }, {
  additionalProperties: false
})
const LetterSchema = Type.Object({ title: line(1, 200), content: text(1, 100_000) }, { additionalProperties: false })

async function routes (app: App): Promise<void> {
  await thingRoutes(app)
  const made = { 201: Type.Object({}) }
  app.post('/boxes', { schema: { body: BoxSchema, response: made } }, async (_request, reply) => {
    reply.code(201)
    return {}
  })
  app.post('/letters', { schema: { body: LetterSchema, response: made } }, async (_request, reply) => {
    reply.code(201)
    return {}
  })
  const params = Type.Object({ topic: line(1, 50) })
  app.get('/letters/about/:topic', { schema: { params } }, async () => [])
}

let app: App
t.before(async () => {
  app = await build(t, { plugins: routes })
})

interface Answer {
  status: number
  problem: Problem
}

async function post (
  url: string,
  payload: string | Buffer,
  headers: Record<string, string> = JSON_TYPE
): Promise<Answer> {
  const response = await app.inject({ method: 'POST', url, headers, payload })
  return { status: response.statusCode, problem: response.json<Problem>() }
}

t.test('F50 a large body that is wrong costs one error', async (t) => {
  const bodies: Record<string, [string, unknown]> = {
    'items, far too many': ['/boxes', { owner: 1, parts: Array.from({ length: 80_000 }, () => ({})) }],
    'items of another type': ['/boxes', { owner: 1, parts: Array(120_000).fill(0) }],
    'unknown keys': ['/boxes', Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, 0]))],
    'unknown keys of an item': ['/boxes', {
      owner: 1,
      parts: [Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, 0]))]
    }],
    'an array for an object': ['/letters', Array(400_000).fill(0)],
    'arrays in arrays': ['/letters', {
      title: Array.from({ length: 1000 }, () => Array.from({ length: 100 }, () => []))
    }],
    'unknown keys of a letter': [
      '/letters',
      Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, null]))
    ]
  }
  for (const [name, [url, body]] of Object.entries(bodies)) {
    const { status, problem } = await post(url, JSON.stringify(body))
    t.equal(status, 400, name)
    t.equal(problem.errors?.length, 1, name)
    t.match(problem.detail, /too large to look for all its errors/, name)
  }
})

t.test('all errors of an ordinary body are told, and fifty of the largest', async (t) => {
  const few = await post(
    '/boxes',
    JSON.stringify({ owner: 'x', color: 1, parts: [{ product: '', quantity: 0, unit_price: '1' }] })
  )
  t.strictSame(few.problem.errors?.map(({ pointer }) => pointer).sort(), [
    '/color',
    '/owner',
    '/parts/0/product',
    '/parts/0/product',
    '/parts/0/quantity',
    '/parts/0/unit_price'
  ])
  const many = await post('/boxes', JSON.stringify({ owner: 1, parts: Array.from({ length: 100 }, () => ({})) }))
  t.equal(many.problem.errors?.length, 50)
})

t.test('nesting that no stack holds is refused', async (t) => {
  const depth = 8000
  t.equal((await post('/things', `${'['.repeat(depth)}${']'.repeat(depth)}`)).status, 400)
  t.equal((await post('/things', '{"name":'.repeat(1500) + '1' + '}'.repeat(1500))).status, 400)
})

t.test('values are counted no further than asked', async (t) => {
  t.equal(countValues({ a: [1, 2, { b: 1 }], c: 'text' }, 1000), 6)
  t.equal(countValues('text', 10), 0)
  t.equal(countValues(null, 10), 0)
  t.ok(countValues(Array(50), 10) > 10)
  const watched = new Proxy({}, { ownKeys: () => t.fail('looked at') as never })
  t.ok(countValues([...Array<number>(20).fill(1), watched], 10) > 10)
})

t.test('a body may be as long as its schema admits, and no longer', async (t) => {
  const content = '\\ud83d\\ude00'.repeat(100_000)
  const longest = `{"title":"t","content":"${content}"}`
  t.equal((await post('/letters', longest)).status, 201, '100 000 emoji, each as two escapes')
  t.equal((await post('/letters', longest + ' '.repeat(200_000))).status, 413)
  t.equal((await post('/things', JSON.stringify({ name: 'x'.repeat(20_000) }))).status, 413)
  t.equal(
    getBodyLimit({ type: 'object', properties: {} }, () => undefined),
    undefined,
    'unknown keys are admitted: no bound'
  )
  t.equal(getBodyLimit({ $ref: 'Nowhere#' }, () => undefined), undefined)
})

t.test('F51 bytes that are no UTF-8 are refused, not stored as something else', async (t) => {
  const before = await countThings(app)
  const [start, end] = ['{"name":"a', 'b"}']
  const sequences: Record<string, number[]> = {
    'a byte of Latin-1': [0xe9],
    'an overlong slash': [0xc0, 0xaf],
    'half a pair of surrogates': [0xed, 0xa0, 0x80],
    'a truncated emoji': [0xf0, 0x9f, 0x98],
    'beyond Unicode': [0xf5, 0x80, 0x80, 0x80],
    'a lone continuation': [0x80 + randomInt(0x40)]
  }
  for (const [name, bytes] of Object.entries(sequences)) {
    for (const url of ['/things', '/letters', '/boxes']) {
      const { status, problem } = await post(
        url,
        Buffer.concat([Buffer.from(start), Buffer.from(bytes), Buffer.from(end)])
      )
      t.equal(status, 400, `${name}, ${url}`)
      t.match(problem.detail, /UTF-8/, name)
    }
  }
  t.equal(await countThings(app), before)
})

t.test('half of a pair of surrogates is no character', async (t) => {
  for (const half of ['\\ud83d', '\\uDE00', 'x\\uD800y', '\\ude00\\ud83d']) {
    const { status, problem } = await post('/things', `{"name":"${half}"}`)
    t.equal(status, 400, half)
    t.match(problem.detail, /surrogate/, half)
    t.equal(
      (await post('/things', `{"name":"n","${half}":1}`)).status,
      400,
      `${half} in a name`
    )
  }
  t.equal(
    (await post('/things', '{"name":"\\ud83d\\uDE00 \\\\ud83d"}')).status,
    201,
    'a pair, and an escaped backslash'
  )
})

t.test('other charsets and codings are refused', async (t) => {
  const body = '{"name":"n"}'
  const types = ['iso-8859-1', 'utf-16', '"UTF-16LE"', 'us-ascii', 'utf-8; charset=utf-16', '']
  for (const charset of types) {
    t.equal(
      (await post('/things', body, { 'content-type': `application/json; charset=${charset}` })).status,
      415,
      charset
    )
  }
  for (const coding of ['gzip', 'br', 'x', 'deflate', 'identity, gzip']) {
    const response = await app.inject({
      method: 'POST',
      url: '/things',
      headers: { ...JSON_TYPE, 'content-encoding': coding },
      payload: body
    })
    t.equal(response.statusCode, 415, coding)
    t.equal(response.headers['accept-encoding'], 'identity')
  }
  t.equal(
    (await post('/things', body, {
      'content-type': 'Application/JSON ; Charset="utf-8"',
      'content-encoding': 'identity'
    })).status,
    201
  )
})

t.test('a transfer coding is refused on the wire', async (t) => {
  const { port } = new URL(await listen(t, app))
  const answer = await sendRaw(
    Number(port),
    'POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: gzip, chunked\r\nconnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n'
  )
  t.match(answer, /^HTTP\/1\.1 415 /)
  t.match(
    await sendRaw(Number(port), 'GET /things?name=\xe9 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
    /^HTTP\/1\.1 400 /
  )
})

t.test('URLs are percent-encoded UTF-8', async (t) => {
  for (
    const url of [
      '/letters/about/%E9',
      '/letters/about/%C0%AF',
      '/things?name=%ED%A0%80',
      '/things?name=%',
      '/things?limit=%F0%9F%98',
      '/nowhere/%FF'
    ]
  ) {
    t.equal((await app.inject(url)).statusCode, 400, url)
  }
  t.equal((await app.inject('/letters/about/%F0%9F%98%80')).statusCode, 200)
  t.equal((await app.inject('/letters/about/%00')).statusCode, 400)
})

t.test('an id or number has one spelling', async (t) => {
  const { id } = (await app.inject({ method: 'POST', url: '/things', payload: { name: 'spelt' } })).json<
    { id: number }
  >()
  const spellings = [
    `0x${id.toString(16)}`,
    `0${id}`,
    `+${id}`,
    `${id}e0`,
    `%0A${id}`,
    `${id}%20`,
    `${id}.0`,
    `-${id}`,
    `%2B${id}`,
    '1_0',
    'Infinity',
    'null',
    ''
  ]
  for (const spelling of spellings) {
    t.not((await app.inject(`/things/${spelling}?`)).json<{ id?: number }>().id, id, `GET ${spelling}`)
    if (spelling !== '') {
      t.equal((await app.inject({ method: 'DELETE', url: `/things/${spelling}` })).statusCode, 400, spelling)
    }
  }
  for (
    const query of [
      'limit=0x2',
      'limit[]=2',
      'limit=2&limit=3',
      'limit=02',
      'limit=2.0',
      'limit=true',
      'limit=',
      'after=+1',
      'skip=1e1'
    ]
  ) {
    t.equal((await app.inject(`/things?${query}`)).statusCode, 400, query)
  }
  t.equal((await app.inject(`/things/${id}`)).statusCode, 200)
})

t.test('a parameter that the route does not know is refused, with those it does', async (t) => {
  const { statusCode, body } = await app.inject('/things?sortby=1')
  t.equal(statusCode, 400)
  t.match(JSON.parse(body), {
    errors: [{
      pointer: '/sortby',
      in: 'query',
      detail: 'is not a known parameter; known are limit, skip, after, sort, kind, name'
    }]
  })
  for (
    const url of ['/things/1?fields=name', '/notes?Limit=2', '/notes?text=a', '/things?x']
  ) t.equal((await app.inject(url)).statusCode, 400, url)
  t.equal(
    (await app.inject({ method: 'POST', url: '/things?dry=1', payload: { name: 'q' } }))
      .statusCode,
    400
  )
  for (const url of ['/livez?probe=1', '/readyz?x=2']) t.equal((await app.inject(url)).statusCode, 200, url)
})

t.test('a name can be seen', async (t) => {
  const invisible = [
    ' ',
    '\t',
    '\u00a0\u2003',
    '\u200b',
    '\u200d\ufeff',
    '\u2060',
    '\u3164',
    '\u2800',
    'a\nb',
    'a\u0000',
    'a\u0085',
    'a\u2028b',
    '\u007f'
  ]
  for (const name of invisible) {
    const payload = JSON.stringify({ name })
    t.equal((await post('/things', payload)).status, 400, escape(name))
  }
  const problem = (await post('/things', JSON.stringify({ name: ' ' }))).problem
  t.strictSame(problem.errors, [{
    pointer: '/name',
    detail: 'must hold a visible character, and no line break or other control character'
  }])
  for (const name of [' a ', '👩‍👩‍👧', 'می‌خواهم', 'Ⅷ']) {
    t.equal((await post('/things', JSON.stringify({ name }))).status, 201, name)
  }
})

t.test('a DELETE with a content type and no body is one without', async (t) => {
  const response = await app.inject({ method: 'DELETE', url: '/things/999999', headers: JSON_TYPE })
  t.equal(response.statusCode, 404)
  t.equal((await post('/things', '')).status, 400)
})

t.test('every answer says how it may be kept, those of the parser too', async (t) => {
  const { port } = new URL(await listen(t, await build(t)))
  const answers = {
    'a broken head': 'GET / HTTP/1.1\r\nhost x\r\n\r\n',
    'an expectation': 'POST /things HTTP/1.1\r\nhost: x\r\nexpect: 200-maybe\r\ncontent-length: 2\r\n\r\n{}',
    'an unknown path': 'GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
  }
  for (const [name, text] of Object.entries(answers)) {
    const answer = await sendRaw(Number(port), text)
    t.match(answer, /^HTTP\/1\.1 4\d\d /, name)
    t.match(answer, /cache-control: no-store/i, name)
    t.match(answer, /x-content-type-options: nosniff/i, name)
    t.match(answer, /"type":"\/docs\/problems#/, name)
  }
  t.equal((await app.inject('/things')).headers['cache-control'], 'private, no-cache')
})

t.test('a client is counted by its address without port, and by its network in IPv6', async (t) => {
  const addresses = {
    '10.0.0.1': '10.0.0.1',
    '10.0.0.1:5000': '10.0.0.1',
    '::ffff:10.0.0.1': '10.0.0.1',
    '[2001:db8::1]:443': '2001:db8:0:0::',
    '2001:db8::1': '2001:db8:0:0::',
    '2001:DB8:0:1:2:3:4:5': '2001:db8:0:1::',
    '2001:0db8:0000:0001::9': '2001:db8:0:1::',
    '[::1]': '0:0:0:0::',
    'fe80::1%eth0': 'fe80:0:0:0::'
  }
  for (const [ip, address] of Object.entries(addresses)) t.equal(getClientAddress({ ip }), address)
})

function escape (text: string): string {
  return Array.from(text, (character) => `U+${character.codePointAt(0)?.toString(16)}`).join(' ')
}

function sendRaw (port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('close', () => {
      resolve(answer)
    }).on('error', reject)
    socket.write(text, 'latin1')
  })
}

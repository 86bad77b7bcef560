import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { App } from '../../app.ts'
import { until } from '../until.ts'

const JSON_HEADERS = 'host: x\r\ncontent-type: application/json\r\n'
const BODY = '{"name":"Raw","email":"raw@example.com"}'
const POST = `POST /users HTTP/1.1\r\n${JSON_HEADERS}`
const CHUNKED = `transfer-encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`

/**
 * What two servers in a row could read differently, and what is no HTTP: one refusal, then the connection is closed.
 */
const REFUSED: Array<[string, string, number?]> = [
  ['length and chunks', `${POST}content-length: 4\r\n${CHUNKED}`],
  [
    'chunks and length',
    `${POST}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\nGET /users HTTP/1.1\r\nhost: x\r\n\r\n`
  ],
  ['two lengths', `${POST}content-length: 2\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`],
  ['a list of lengths', `${POST}content-length: 2, 2\r\n\r\n{}`],
  ['a signed length', `${POST}content-length: +2\r\n\r\n{}`],
  ['a negative length', `${POST}content-length: -1\r\n\r\n{}`],
  ['a length in hex', `${POST}content-length: 0x2\r\n\r\n{}`],
  ['an endless length', `${POST}content-length: 99999999999999999999999\r\n\r\n{}`],
  ['xchunked', `${POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`, 415],
  ['chunked, identity', `${POST}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ['space before the colon', `${POST}transfer-encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['a folded header', `${POST}x: 1\r\n folded\r\ncontent-length: 2\r\n\r\n{}`],
  ['no host', 'GET /livez HTTP/1.1\r\n\r\n'],
  ['a body but no host', 'POST /users HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'],
  ['two hosts', 'GET /livez HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n'],
  ['the same host twice', 'GET /livez HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n'],
  ['bare line feeds', 'GET /livez HTTP/1.1\nhost: x\n\n'],
  ['a bare carriage return', 'GET /livez HTTP/1.1\r\nhost: x\rx: y\r\n\r\n'],
  ['a line feed in a chunk extension', `${POST}transfer-encoding: chunked\r\n\r\n2;x\n\r\n{}\r\n0\r\n\r\n`],
  ['a chunk without end', `${POST}transfer-encoding: chunked\r\n\r\n2\r\n{}XX\r\n0\r\n\r\n`],
  ['a chunk size in words', `${POST}transfer-encoding: chunked\r\n\r\nten\r\n{}\r\n0\r\n\r\n`],
  ['NUL in a header', 'GET /livez HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n'],
  ['ESC in a header', 'GET /livez HTTP/1.1\r\nhost: x\r\nx: \u001b[2J\r\n\r\n'],
  ['NUL in the path', 'GET /users/\0 HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['HTTP/3.0', 'GET /livez HTTP/3.0\r\nhost: x\r\n\r\n'],
  ['TLS', '\u0016\u0003\u0001\u0002\0\u0001\0\u0001'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['headers of 20 kB', `GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ['a path of 20 kB', `GET /${'y'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
  [
    '2,500 headers of 20 bytes',
    `GET /livez HTTP/1.1\r\nhost: x\r\n${
      Array.from({ length: 2500 }, (_, n) => `x-header-${n}: 12345678\r\n`).join('')
    }\r\n`,
    431
  ]
]

/** Odd requests that are still HTTP: each has its own answer, and as many answers as requests. */
const ANSWERED: Array<[string, string, number[]]> = [
  ['800 short headers', `GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${'x:1\r\n'.repeat(800)}\r\n`, [200]],
  [
    'two requests at once',
    'GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET /users/0 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    [200, 400]
  ],
  [
    'chunks of one byte',
    `${POST}connection: close\r\ntransfer-encoding: chunked\r\n\r\n${
      Array.from(BODY, (letter) => `1\r\n${letter}\r\n`).join('')
    }0\r\n\r\n`,
    [201]
  ],
  ['HTTP/0.9', 'GET /livez\r\n\r\n', [200]],
  ['a body too large', `${POST}connection: close\r\ncontent-length: 1048577\r\n\r\n${' '.repeat(1_048_577)}`, [413]],
  [
    'a body too large in chunks',
    `${POST}connection: close\r\ntransfer-encoding: chunked\r\n\r\n100001\r\n${' '.repeat(0x100001)}\r\n0\r\n\r\n`,
    [413]
  ],
  ['HTTP/1.0', 'GET /livez HTTP/1.0\r\n\r\n', [200]],
  ['an unknown expectation', `${POST}connection: close\r\nexpect: miracles\r\ncontent-length: 2\r\n\r\n{}`, [417]],
  ['an upgrade nobody offers', 'GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n', [
    200
  ]],
  ['a whole URL', 'GET http://evil.example/livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', [200]],
  ['a path that is a star', 'OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', [404]],
  ['an unknown method', 'BREW /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', [400]]
]

interface Raw {
  socket: Socket
  text: () => string
  closed: Promise<void>
}

function open (port: number): Raw {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += String(chunk)
  }).on('error', () => {})
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })
  return { socket, text: () => text, closed }
}

const parseStatuses = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)).filter((status) => status !== 100)

/** F44: bytes that are no good request. */
export async function rawSheet (t: Test, app: App, port: number): Promise<void> {
  const users = async () => (await app.pg.query('select 1 from users')).rowCount ?? 0
  const before = await users()
  for (const [what, bytes, status = 400] of REFUSED) {
    const { socket, text, closed } = open(port)
    socket.write(bytes)
    await closed
    t.strictSame(parseStatuses(text()), [status], `${what}: one answer, then the connection is closed`)
    t.match(text(), /content-type: application\/problem\+json/i, what)
  }
  t.equal(await users(), before, 'nothing was stored')
  for (const [what, bytes, statuses] of ANSWERED) {
    const { socket, text, closed } = open(port)
    socket.write(bytes)
    await closed
    t.strictSame(parseStatuses(text()), statuses, what)
  }
  t.equal(await users(), before + 1)
}

/**
 * F44: a good write with garbage behind it. What is told about the garbage must not be read as the answer of the write.
 */
export async function garbageBehind (t: Test, app: App, port: number): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const body = JSON.stringify({ name: 'First', email: `garbage.${round}@example.com` })
    const { socket, text, closed } = open(port)
    socket.write(`${POST}content-length: ${body.length}\r\n\r\n${body}{"name":"second"}`)
    await closed
    const first = parseStatuses(text())[0]
    if (first === 201 || first === undefined) continue
    t.fail(`answered ${first}`)
  }
  await until('all connections are idle', () => app.pg.pool.idleCount === app.pg.pool.totalCount)
}

/** F44: 300 connections that never finish their headers, with the service's own bound shortened. */
export async function slowHeaders (t: Test, app: App, port: number): Promise<void> {
  const { server } = app
  t.ok(
    server.headersTimeout > 0 && server.headersTimeout <= server.requestTimeout,
    'the bounds are set, and in the order in which they work'
  )
  const slow = Array.from({ length: 300 }, () => open(port))
  for (const { socket } of slow) socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n')
  await until('all are connected', async () =>
    await new Promise<boolean>((resolve) => {
      server.getConnections((_, count) => {
        resolve(count >= 300)
      })
    }))
  t.equal((await fetch(`http://127.0.0.1:${port}/users?limit=1`)).status, 200, 'others are served meanwhile')
  // Read at each check; before all are connected it could end the first ones.
  server.headersTimeout = 1500
  await Promise.all(slow.map(({ closed }) => closed))
  t.ok(slow.every(({ text }) => parseStatuses(text()).join() === '408'), 'each is told 408 and closed')
  server.headersTimeout = 10_000
}

/** F32: 50 uploads of a byte now and then. */
export async function slowUploads (t: Test, app: App, port: number): Promise<void> {
  const { server } = app
  t.ok(server.requestTimeout > 0, 'the bound is set')
  const bound = server.requestTimeout
  Object.assign(server, { headersTimeout: 1400, requestTimeout: 1500 })
  const slow = Array.from({ length: 50 }, () => open(port))
  for (const { socket } of slow) socket.write(`${POST}content-length: 1000\r\n\r\n{`)
  const drip = setInterval(() => {
    for (const { socket } of slow) if (socket.writable) socket.write(' ')
  }, 200)
  const { pool } = app.pg
  const busy: number[] = []
  const watch = setInterval(() => {
    busy.push(pool.totalCount - pool.idleCount)
  }, 50)
  await Promise.all(slow.map(({ closed }) => closed))
  clearInterval(drip)
  clearInterval(watch)
  t.ok(slow.every(({ text }) => parseStatuses(text()).join() === '408'), 'each is told 408 and closed')
  t.ok(busy.length > 0 && Math.max(...busy) === 0, 'none of them held a database connection')
  Object.assign(server, { headersTimeout: 10_000, requestTimeout: bound })
}

/** F33: a client that asks for megabytes and does not read them. */
export async function slowReader (t: Test, app: App, port: number): Promise<void> {
  const { server } = app
  t.ok(server.timeout > 0, 'the bound is set')
  const bound = server.timeout
  server.timeout = 700
  let served: Socket | undefined
  server.once('connection', (socket: Socket) => {
    served = socket
  })
  const { socket, closed } = open(port)
  socket.pause()
  socket.write('GET /large HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('the transaction has ended', () => app.pg.pool.idleCount === app.pg.pool.totalCount)
  await until('the service has cut it off', () => served?.destroyed === true)
  socket.resume()
  await closed
  server.timeout = bound
}

import { connect } from 'node:net'
import t from 'tap'
import type { App } from '../../app.ts'
import { build, listen, comesTrue } from '../helper.ts'
import { thingRoutes } from '../fixture/things.ts'

t.test('limits are off unless somebody asks', async (t) => {
  const app = await build(t, { plugins: thingRoutes })
  const { headers } = await app.inject('/things')
  t.notOk('ratelimit-limit' in headers)
  t.notOk(app.hasDecorator('rateLimit'))
  t.notOk(app.hasDecorator('isOverloaded'))
})

t.test('a client that asks too often', async (t) => {
  const app = await build(t, {
    plugins: thingRoutes,
    settings: { RATE_LIMIT_MAX: 3, RATE_LIMIT_WINDOW_MS: 60_000, CORS_ORIGINS: 'https://app.example' }
  })
  const get = async (url: string, remoteAddress = '10.0.0.1') => await app.inject({ url, remoteAddress })

  t.test('is told how much is left, then 429 and when to come back', async (t) => {
    const first = await get('/things')
    t.equal(first.statusCode, 200)
    t.match(first.headers, { 'ratelimit-limit': 3, 'ratelimit-remaining': 2 })
    await get('/notes')
    await get('/things')
    const refused = await get('/things')
    t.equal(refused.statusCode, 429)
    t.match(refused.headers['content-type'], 'application/problem+json')
    t.match(refused.json(), { type: '/docs/problems#too-many-requests', status: 429 })
    const seconds = Number(refused.headers['retry-after'])
    t.ok(seconds > 0 && seconds <= 60, `${seconds} s`)
  })

  t.test('others are not held up by it', async (t) => {
    t.equal((await get('/things', '10.0.0.2')).statusCode, 200)
  })

  t.test('paths that do not exist count as well', async (t) => {
    const statuses: number[] = []
    for (const path of ['/a', '/b', '/c', '/d', '/things']) statuses.push((await get(path, '10.0.0.3')).statusCode)
    t.same(statuses, [404, 404, 404, 429, 429])
  })

  t.test('every other answer counts as well, whoever gives it', async (t) => {
    const origin = 'https://app.example'
    const asks: Record<string, () => Promise<number>> = {
      'a URL that is no UTF-8': async () => (await get('/things/%ff', '10.1.0.1')).statusCode,
      'a path that cannot be decoded': async () => (await get('/things/%', '10.1.0.2')).statusCode,
      'a parameter that is too long': async () => (await get(`/things/${'1'.repeat(1200)}`, '10.1.0.3')).statusCode,
      'a preflight': async () => {
        const headers = { origin, 'access-control-request-method': 'POST' }
        return (await app.inject({ method: 'OPTIONS', url: '/things', headers, remoteAddress: '10.1.0.4' })).statusCode
      },
      'a wrong method': async () => {
        return (await app.inject({ method: 'DELETE', url: '/things', remoteAddress: '10.1.0.5' })).statusCode
      },
      'a coding that is not taken': async () => {
        const headers = { 'content-encoding': 'gzip' }
        const payload = { name: 'A' }
        return (await app.inject({ method: 'POST', url: '/things', headers, payload, remoteAddress: '10.1.0.6' }))
          .statusCode
      }
    }
    for (const [what, ask] of Object.entries(asks)) {
      const statuses = [await ask(), await ask(), await ask(), await ask()]
      t.equal(statuses[3], 429, `${what}: ${statuses.join(' ')}`)
      t.notOk(statuses.slice(0, 3).includes(429), what)
    }
  })

  t.test('addresses of one IPv6 network are one client', async (t) => {
    const statuses: number[] = []
    for (const host of [1, 2, 3, 4]) statuses.push((await get('/things', `2001:db8:0:1::${host}`)).statusCode)
    t.same(statuses, [200, 200, 200, 429])
  })

  t.test('probes are always answered', async (t) => {
    for (let count = 0; count < 5; count++) {
      t.equal((await get('/livez', '10.0.0.4')).statusCode, 200)
      t.ok(await comesTrue(async () => (await get('/readyz', '10.0.0.4')).statusCode === 200))
    }
  })

  t.test('a refused write has begun nothing', async (t) => {
    const before = await app.metrics.registry.getSingleMetric('tandem_transactions_total')?.get()
    const refused = await app.inject({
      method: 'POST',
      url: '/things',
      payload: { name: 'A' },
      remoteAddress: '10.0.0.1'
    })
    t.equal(refused.statusCode, 429)
    t.same(await app.metrics.registry.getSingleMetric('tandem_transactions_total')?.get(), before)
  })
})

t.test('what the parser refuses counts', async (t) => {
  const app = await build(t, { plugins: thingRoutes, settings: { RATE_LIMIT_MAX: 4, RATE_LIMIT_WINDOW_MS: 60_000 } })
  const { port } = new URL(await listen(t, app))
  const send = async (text: string) => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(text)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return answer.slice(0, 12)
  }
  const broken = 'GET / HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n'
  const expecting = 'GET /things HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n'
  t.same([await send(broken), await send(expecting), await send(broken)], [
    'HTTP/1.1 400',
    'HTTP/1.1 417',
    'HTTP/1.1 400'
  ])
  t.equal((await fetch(`http://127.0.0.1:${port}/things/%ff`)).status, 400)
  t.equal((await fetch(`http://127.0.0.1:${port}/things`)).status, 429)
  t.same([await send(broken), await send(expecting)], ['HTTP/1.1 429', 'HTTP/1.1 429'])
})

t.test('clients behind a proxy', async (t) => {
  const settings = { RATE_LIMIT_MAX: 2, RATE_LIMIT_WINDOW_MS: 60_000, PROJECTIONS: false }
  const sender = (app: App) => async (client: string, remoteAddress = '10.0.0.9') => {
    const reply = await app.inject({ url: '/ip', remoteAddress, headers: { 'x-forwarded-for': client } })
    return [reply.statusCode, reply.statusCode === 200 ? reply.body : '']
  }
  const plugins = async (app: App) => {
    app.get('/ip', (request) => request.ip)
  }

  t.test('have budgets of their own where the proxy is trusted', async (t) => {
    const send = sender(await build(t, { plugins, settings: { ...settings, TRUST_PROXY: '10.0.0.9, 10.1.0.0/16' } }))
    for (const client of ['192.0.2.1', '192.0.2.2']) {
      for (const expected of [[200, client], [200, client], [429, '']]) t.strictSame(await send(client), expected)
    }
    t.strictSame(
      await send('198.51.100.1, 192.0.2.1, 10.1.2.3'),
      [429, ''],
      'the last address that no trusted proxy has is the client; what stands before is its own claim'
    )
    t.strictSame(await send('192.0.2.3', '203.0.113.1'), [200, '203.0.113.1'], 'who is no proxy of ours names nobody')
  })

  t.test('are one client otherwise', async (t) => {
    const send = sender(await build(t, { plugins, settings }))
    const seen = [await send('192.0.2.1'), await send('192.0.2.2'), await send('192.0.2.3')]
    t.strictSame(seen, [[200, '10.0.0.9'], [200, '10.0.0.9'], [429, '']])
  })
})

t.test('while the event loop is late', async (t) => {
  const app = await build(t, { plugins: thingRoutes, settings: { MAX_EVENT_LOOP_DELAY_MS: 100 } })
  const origin = await listen(t, app)
  t.ok(await comesTrue(async () => (await fetch(`${origin}/things`)).status === 200), 'requests are answered')
  let shed = await fetch(`${origin}/things`)
  await comesTrue(async () => {
    block(700)
    shed = await fetch(`${origin}/things`)
    return shed.status === 503
  })
  t.equal(shed.status, 503)
  t.match(shed.headers.get('content-type'), 'application/problem+json')
  t.ok(Number(shed.headers.get('retry-after')) > 0)
  t.match(await shed.json(), { type: '/docs/problems#unavailable', status: 503 })
  t.equal((await fetch(`${origin}/livez`)).status, 200, 'probes are answered')
  t.ok(await comesTrue(async () => (await fetch(`${origin}/readyz`)).status === 200))
  t.ok(
    await comesTrue(async () => (await fetch(`${origin}/things`)).status === 200),
    'and requests again, once it keeps up'
  )
})

t.test('F42 a route that blocks the event loop for 500 ms, again and again', async (t) => {
  const app = await build(t, {
    settings: { MAX_EVENT_LOOP_DELAY_MS: 100 },
    plugins: async (app) => {
      await thingRoutes(app)
      app.get('/block', () => {
        block(500)
        return 'done'
      })
    }
  })
  const origin = await listen(t, app)
  const seen = { blocker: [] as Answer[], other: [] as Answer[], probe: [] as Answer[] }
  let isOver = false
  const ask = async (who: keyof typeof seen, path: string) => {
    while (!isOver) seen[who].push(await answer(`${origin}${path}`))
  }
  const all = [ask('blocker', '/block'), ask('other', '/things'), ask('probe', '/livez'), ask('probe', '/readyz')]
  const refused = () => seen.other.filter(({ status }) => status === 503)
  const hasBlocked = () => seen.blocker.some(({ status }) => status === 200)
  await comesTrue(() => hasBlocked() && refused().length >= 3, 60_000)
  isOver = true
  await Promise.all(all)
  t.ok(refused().length >= 3, 'others are refused while shedding is on')
  t.ok(refused().every(({ retryAfter }) => Number(retryAfter) > 0), 'and told when to come back')
  t.ok(
    [...seen.blocker, ...seen.other].every(({ status }) => status === 200 || status === 503),
    'everything is answered'
  )
  t.ok(hasBlocked(), 'the blocking route was at work')
  // A check that the blocked loop made late is a readiness too.
  t.ok(
    seen.probe.length > 0 &&
      seen.probe.every(({ status, body }) => status === 200 || (status === 503 && body.includes('"checks"'))),
    'probes are answered all the time, so that nobody kills the process'
  )
  t.ok(await comesTrue(() => app.isOverloaded?.() === false), 'shedding ends by itself')
  for (const path of ['/livez', '/readyz', '/things', '/block']) {
    t.ok(await comesTrue(async () => (await answer(`${origin}${path}`)).status === 200), `${path} works again`)
  }
})

interface Answer {
  status: number
  retryAfter: string | null
  body: string
}

async function answer (url: string): Promise<Answer> {
  const reply = await fetch(url)
  return { status: reply.status, retryAfter: reply.headers.get('retry-after'), body: await reply.text() }
}

function block (milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

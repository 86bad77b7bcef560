import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { build, databases, listen, comesTrue } from '../helper.ts'
import { Browser, findChromium } from './browser.ts'
import { buildApp, type App, type BuildOptions } from '../../app.ts'
import { copiedThings } from '../fixture/copies.ts'

interface Histogram {
  bounds: number[]
  buckets: number[]
}
/** The module of the page that counts; plain JavaScript, as the browser gets it. */
interface Series {
  addReading: (readings: object[], reading: object) => object[]
  readingBefore: (readings: object[], seconds: number) => object | undefined
  getRate: <Reading>(
    before: Reading | undefined,
    now: Reading,
    count: (reading: Reading) => number | undefined
  ) => number | undefined
  getQuantile: (before: Histogram | undefined, now: Histogram | undefined, quantile: number) => number | undefined
  formatSeconds: (seconds: number | undefined) => string
  formatNumber: (number: number | undefined) => string
}
interface Answer {
  status: number
  headers: Record<string, unknown>
  body: string
}

const admin = { ADMIN_PORT: 0 }

t.test('without ADMIN_PORT nothing listens', async (t) => {
  const app = await build(t)
  t.equal(app.adminOrigin, undefined)
  t.equal((await app.inject('/metrics')).statusCode, 404)
  t.equal((await app.inject('/status.json')).statusCode, 404)
})

t.test('the admin listener', async (t) => {
  const app = await build(t, { settings: admin, plugins: copiedThings })
  const get = async (path: string, options = {}) => await ask(app, path, options)

  t.test('is not the API', async (t) => {
    const api = await listen(t, app)
    t.not(new URL(api).port, new URL(app.adminOrigin ?? '').port)
    t.equal((await fetch(`${api}/metrics`)).status, 404)
    t.equal((await get('/things')).status, 404)
  })

  t.test('serves metrics in the format of Prometheus', async (t) => {
    const { status, headers, body } = await get('/metrics')
    t.equal(status, 200)
    t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    t.match(body, /^# TYPE tandem_transactions_total counter$/m)
    t.match(body, /^process_cpu_seconds_total /m)
    const names = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
    t.same(names, [...new Set(names)], 'each metric once')
    t.equal(
      body.split('\n').filter((line) => line !== '' && !/^(#|[a-z_][a-z0-9_]*(\{.*\})? (-?[\d.e+-]+|Nan)$)/.test(line))
        .join(),
      '',
      'every line is a sample'
    )
  })

  t.test('answers the probes', async (t) => {
    t.match(await get('/livez'), { status: 200, body: '{"status":"alive"}' })
    for (const path of ['/readyz', '/healthz']) {
      let body = ''
      t.ok(
        await comesTrue(async () => {
          const answer = await get(path)
          body = answer.body
          return answer.status === 200
        }),
        path
      )
      t.match(JSON.parse(body), { status: 'ready', checks: { sql: 'up', mongodb: 'up' } })
    }
  })

  t.test('serves a page that may load nothing', async (t) => {
    const { status, headers, body } = await get('/')
    t.equal(status, 200)
    t.equal(headers['content-type'], 'text/html; charset=utf-8')
    const policy = String(headers['content-security-policy'])
    t.match(policy, "default-src 'none'")
    t.notMatch(policy, /unsafe|https?:|\*/)
    for (const tag of ['script', 'style']) {
      const [, text = ''] = new RegExp(`<${tag}[^>]*>([\\s\\S]*)</${tag}>`).exec(body) ?? []
      t.ok(text.length > 1000)
      t.ok(
        policy.includes(`${tag}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`),
        `${tag} is allowed by its hash`
      )
      t.notMatch(text, /^(import|export) /m)
    }
    t.notMatch(body.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//, 'it names no other host')
    t.notMatch(body, / (on\w+|style)="/, 'nothing that the policy would refuse')
  })

  t.test('sends safe headers with everything', async (t) => {
    for (const path of ['/', '/metrics', '/status.json', '/livez', '/nothing']) {
      const { headers } = await get(path)
      t.match(headers, {
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer'
      })
      t.match(headers['content-security-policy'], "frame-ancestors 'none'")
      t.notOk('x-powered-by' in headers || 'access-control-allow-origin' in headers)
    }
  })

  t.test('refuses what it does not know', async (t) => {
    t.equal((await get('/nothing')).status, 404)
    t.equal((await get('/__proto__')).status, 404)
    t.equal((await get('/constructor')).status, 404)
    t.match(await get('/metrics', { method: 'POST' }), { status: 405, headers: { allow: 'GET, HEAD' } })
    const head = await get('/metrics', { method: 'HEAD' })
    t.match(head, { status: 200, body: '' })
    t.ok(Number(head.headers['content-length']) > 1000)
    t.equal((await get('/livez?probe=1')).status, 200)
  })

  t.test('on loopback it answers to names of this machine only', async (t) => {
    for (const host of ['attacker.example', '127.0.0.1.attacker.example', 'localhost.attacker.example:80']) {
      t.equal((await get('/status.json', { headers: { host } })).status, 421, host)
    }
    for (const host of ['localhost', 'localhost:9090', '127.0.0.1:1', '[::1]:9090']) {
      t.equal((await get('/status.json', { headers: { host } })).status, 200, host)
    }
  })

  t.test('tells what the page shows', async (t) => {
    await app.inject({ method: 'POST', url: '/things', payload: { name: 'Hush' } })
    await app.inject({ method: 'POST', url: '/things', payload: { name: 'Hush' } })
    await app.inject('/things/4711')
    let body = ''
    t.ok(
      await comesTrue(async () => {
        ;({ body } = await get('/status.json'))
        return JSON.parse(body).status === 'ready'
      }),
      'it is ready'
    )
    const status = JSON.parse(body)
    t.match(status, { checks: { sql: 'up', mongodb: 'up' } })
    t.same(status.pools.map(({ name }: { name: string }) => name), ['postgresql', 'mongodb'])
    t.match(status.transactions[0], {
      store: 'sql',
      outcomes: { committed: 1, rolled_back: 1 },
      durations: { count: 2 }
    })
    t.match(status.transactions[1], { store: 'mongo', open: 0 })
    const route = status.routes.find(({ route }: { route: string }) => route.startsWith('POST /things'))
    t.match(route, { refused: 1, failed: 0, durations: { count: 2 } })
    t.equal(route.durations.buckets.length, route.durations.bounds.length + 1)
    t.equal(route.durations.buckets.at(-1), 2)
    t.match(status.problems, [{ type: 'not-found' }, { type: 'duplicate', status: 409, count: 1 }])
    const copies = status.projections.map(({ direction, name }: Record<string, string>) => `${direction} ${name}`)
    t.ok(copies.includes('sql_to_mongo things') && copies.includes('mongo_to_sql notes'), copies.join())
    t.match(status.pair, { condition: 'up', since: Number, id: /^[0-9a-f]{8}$/, epoch: 1, repairs: 0, comparing: [] })
    t.ok(status.pair.since <= status.at)
    t.match(status.projections[0], { leader: 'every process', without_leader: false })
    t.ok(
      await comesTrue(async () => {
        const { projections } = JSON.parse((await get('/status.json')).body)
        const { leader, led_since, lag_seconds } = projections.find(({ name }: { name: string }) => name === 'notes')
        return leader === 'this process' && led_since <= Date.now() && lag_seconds >= 0
      }, 10_000),
      'who leads, since when, and how far it is'
    )
    t.notMatch(body, /hush|4711/i, 'no value')
    t.notMatch(body, /127\.0\.0\.1|postgres:|mongodb:/, 'no address')
  })
})

t.test('a port that is taken is said in one line, and nothing is left behind', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve)
  })
  const { port } = other.address() as { port: number }
  const error: unknown = await build(t, { settings: { ADMIN_PORT: port } }).catch((error: unknown) => error)
  t.match(error, {
    code: 'ADMIN_PORT',
    lines: [`ADMIN_PORT ${port} is taken: stop what listens there, or choose another`]
  })
  await new Promise((resolve) => {
    other.close(resolve)
  })
})

t.test('while the service drains, the admin listener says so until the last request is answered', async (t) => {
  let finish: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  let isRunning = false
  const app = await buildToClose(t, {
    plugins: async (app) => {
      app.get('/long', async () => {
        isRunning = true
        await finished
        return { ok: true }
      })
    }
  })
  const origin = app.adminOrigin ?? ''
  const answer = fetch(`${await listen(t, app)}/long`)
  await comesTrue(() => isRunning)
  const closed = app.close()
  t.ok(await comesTrue(async () => (await ask(app, '/readyz')).status === 503))
  t.match(JSON.parse((await ask(app, '/status.json')).body), { status: 'draining' })
  t.match((await ask(app, '/metrics')).body, /^tandem_draining 1$/m)
  t.equal((await ask(app, '/livez')).status, 200)
  finish()
  t.equal((await answer).status, 200)
  await closed
  t.equal(app.adminOrigin, undefined)
  await t.rejects(fetch(`${origin}/livez`))
})

t.test('numbers of the page', async (t) => {
  const { addReading, formatNumber, formatSeconds, getQuantile, getRate, readingBefore } = await import(
    new URL('../../plugins/admin/series.js', import.meta.url).href
  ) as Series
  const reading = (at: number, count: number, uptime = at) => ({
    at: at * 1000,
    count,
    process: { uptime_seconds: uptime }
  })
  const count = (reading: { count: number }) => reading.count

  t.test('rates are made from two readings', async (t) => {
    t.equal(getRate(reading(10, 100), reading(20, 150), count), 5)
    t.equal(getRate(undefined, reading(20, 150), count), undefined)
    t.equal(getRate(reading(10, 100), reading(10, 100), count), undefined)
    t.equal(getRate(reading(10, 100), reading(20, 10), count), 0)
    t.equal(getRate(reading(10, 100), reading(20, 150), () => undefined), 0)
  })

  t.test('readings are kept for two minutes, and dropped when the process is another one', async (t) => {
    let readings: object[] = []
    for (let second = 0; second < 300; second++) readings = addReading(readings, reading(second, second))
    t.equal(readings.length, 121)
    t.match(readingBefore(readings, 10), { count: 289 })
    t.match(readingBefore(readings, 1000), { count: 179 })
    t.equal(readingBefore([reading(1, 1)], 10), undefined)
    t.equal(addReading(readings, reading(300, 0, 1)).length, 1)
  })

  t.test('quantiles are interpolated inside their bucket', async (t) => {
    const bounds = [0.1, 0.2, 0.4]
    t.equal(getQuantile(undefined, { bounds, buckets: [0, 10, 10, 10] }, 0.5)?.toFixed(3), '0.150')
    t.equal(getQuantile(undefined, { bounds, buckets: [10, 10, 10, 10] }, 0.5)?.toFixed(3), '0.050')
    t.equal(
      getQuantile({ bounds, buckets: [10, 10, 10, 10] }, { bounds, buckets: [10, 10, 20, 20] }, 0.5)?.toFixed(3),
      '0.300',
      'only what came since'
    )
    t.equal(
      getQuantile(undefined, { bounds, buckets: [0, 0, 0, 5] }, 0.5),
      0.4,
      'what is above the last bound counts as it'
    )
    t.equal(getQuantile({ bounds, buckets: [1, 1, 1, 1] }, { bounds, buckets: [1, 1, 1, 1] }, 0.5), undefined)
    t.equal(getQuantile(undefined, undefined, 0.5), undefined)
  })

  t.test('durations and counts are short', async (t) => {
    const durations: Array<[number | undefined, string]> = [
      [undefined, '–'],
      [0, '0 s'],
      [0.0042, '4.2 ms'],
      [0.25, '250 ms'],
      [3.21, '3.2 s'],
      [5, '5 s'],
      [150, '2 min'],
      [7300, '2 h'],
      [200_000, '2 d']
    ]
    for (const [seconds, text] of durations) t.equal(formatSeconds(seconds), text)
    const numbers: Array<[number | undefined, string]> = [
      [undefined, '–'],
      [0, '0'],
      [3.14159, '3.1'],
      [123.4, '123'],
      [9999, '9999'],
      [12_345, '12.3 k'],
      [4_200_000, '4.2 M']
    ]
    for (const [number, text] of numbers) t.equal(formatNumber(number), text)
  })
})

const chromium = findChromium()
if (chromium === undefined) {
  t.comment('NOT RUN: the status page in a browser. Install Chromium, or name one in CHROMIUM.')
} else {
  t.test('the page in Chromium', async (t) => {
    const app = await buildToClose(t, { plugins: copiedThings })
    const browser = await Browser.open(chromium, app.adminOrigin ?? '', { dark: true })
    t.teardown(async () => {
      await browser.close()
    })
    const text = async () => String(await browser.evaluate('document.body.innerText'))

    t.ok(await comesTrue(async () => (await text()).includes('Ready')), 'it shows the state')
    t.equal(await browser.evaluate('document.title'), 'Ready · Tandem')
    t.ok(await comesTrue(async () => /PostgreSQL[\s\S]*MongoDB/.test(await text())))
    t.match(await text(), 'SQL → MongoDB: things')

    await app.inject({ method: 'POST', url: '/things', payload: { name: 'A' } })
    await app.inject({ method: 'POST', url: '/things', payload: { name: 'A' } })
    t.ok(await comesTrue(async () => /POST \/things/.test(await text())), 'it shows a route within its next poll')
    t.ok(await comesTrue(async () => (await text()).includes('Already exists')), 'and the class of an error')
    t.match(await text(), /committed\s+1\s+rolled back\s+1/)

    t.equal(
      await browser.evaluate('getComputedStyle(document.body).backgroundColor'),
      'rgb(15, 19, 25)',
      'dark where that is preferred'
    )
    t.equal(await browser.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'nothing sticks out')
    t.equal(
      await browser.evaluate(
        '[...document.querySelectorAll("svg.spark, .bar")].every((each) => each.role === "img" && each.ariaLabel.length > 10)'
      ),
      true,
      'pictures have words'
    )
    t.same(browser.complaints, [], 'the browser complains about nothing')

    await app.close()
    t.ok(await comesTrue(async () => /^No answer/m.test(await text())), 'it says when the service is gone')
    t.equal(await browser.evaluate('document.title'), 'No answer · Tandem')
  })
}

/** An app that the test closes itself. */
async function buildToClose (t: Test, options: BuildOptions = {}): Promise<App> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  const settings = {
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl,
    MONGODB_URL: mongoUrl,
    MONGODB_DATABASE: mongoDatabase,
    HOST: '127.0.0.1',
    PORT: 0,
    ADMIN_PORT: 0
  } as const
  const app = await buildApp({ logger: false, settings, ...options })
  t.teardown(async () => {
    await app.close()
  })
  return app
}

async function ask (
  app: App,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {}
): Promise<Answer> {
  const { hostname, port } = new URL(app.adminOrigin ?? '')
  return await new Promise((resolve, reject) => {
    request({ hostname, port, path, agent: false, ...options }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      }).on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      })
    }).on('error', reject).end()
  })
}

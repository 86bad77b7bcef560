import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { build, databases } from '../helper.ts'

t.test('a service whose databases answer is ready', async (t) => {
  const app = await build(t)
  t.strictSame((await app.inject('/livez')).json(), { status: 'alive' })
  for (const url of ['/readyz', '/healthz']) {
    const ready = await app.inject(url)
    t.equal(ready.statusCode, 200)
    t.equal(ready.headers['cache-control'], 'no-store')
    t.match(ready.json(), { status: 'ready', checks: { sql: 'up', mongodb: 'up' } })
  }
  t.equal((await app.inject({ method: 'HEAD', url: '/livez' })).statusCode, 200)
})

t.test('a database whose migrations do not fit', async (t) => {
  const cases: Array<[string, number, string]> = [
    ['drop schema drizzle cascade', 503, 'migrations pending'],
    ["update drizzle.__drizzle_migrations set hash = 'edited'", 503, 'migrations differ'],
    ["insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 9999999999999)", 200, 'migrations ahead']
  ]
  for (const [change, status, condition] of cases) {
    const { databaseUrl } = await databases(t)
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(change)
    await client.end()
    const app = await build(t, { settings: { DATABASE_URL: databaseUrl, PROJECTIONS: false } })
    const reply = await app.inject('/readyz')
    t.equal(reply.statusCode, status, condition)
    t.match(reply.json(), { checks: { sql: condition, mongodb: 'up' } })
    t.equal((await app.inject('/livez')).statusCode, 200)
  }
})

t.test('other plugins add what they depend on', async (t) => {
  let condition: 'up' | 'degraded' | 'down' | 'throws' | 'silent' = 'degraded'
  let asked = 0
  const app = await build(t, {
    plugins: async (app) => {
      app.addReadiness('printer', () => {
        asked++
        if (condition === 'throws') throw new Error('s3cret-value at 10.0.0.1')
        return condition === 'silent' ? new Promise(() => {}) : condition
      })
    }
  })
  const probe = async () => await app.inject('/readyz')
  const [first, second] = await Promise.all([probe(), probe()])
  t.match(first.json(), { status: 'ready', checks: { printer: 'degraded' } }, 'degraded still takes requests')
  t.same(second.json(), first.json())
  t.equal(asked, 1, 'probes at the same time share one round of checks')

  // Readiness is at most a second old: ask until the answer is of the new condition.
  const after = async (next: typeof condition, wanted: string) => {
    condition = next
    for (;;) {
      const reply = await probe()
      const { checks } = reply.json() as { checks: Record<string, string> }
      if (checks['printer'] === wanted) return reply
      await sleep(50)
    }
  }
  for (const [next, wanted] of [['down', 'down'], ['throws', 'down'], ['silent', 'no answer']] as const) {
    const reply = await after(next, wanted)
    t.equal(reply.statusCode, 503, next)
    t.notMatch(reply.body, /s3cret|10\.0\.0/)
    await after('up', 'up')
  }
})

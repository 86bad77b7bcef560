import t from 'tap'
import { build } from '../helper.ts'

t.test('probes', async (t) => {
  const app = await build(t)
  const alive = await app.inject('/livez')
  t.equal(alive.statusCode, 200)
  t.same(alive.json(), { status: 'alive' })
  const ready = await app.inject('/readyz')
  t.equal(ready.statusCode, 200)
  t.match(ready.json(), { status: 'ready', checks: { sql: 'up', mongodb: 'up' } })
})

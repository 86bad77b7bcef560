// Instants of rows that were written past the service, of years that are no years of today.
import t from 'tap'
import { sql } from 'drizzle-orm'
import { onEachEngine, readPages } from './engines.ts'

const INSTANTS = [
  '0001-01-01T00:00:00.000Z',
  '0044-03-15T12:00:00.500Z',
  '0050-03-01T00:00:00.000Z',
  '0099-12-31T23:59:59.999Z',
  '0100-01-01T00:00:00.000Z',
  '1800-07-01T00:00:00.001Z',
  '1950-03-01T00:00:00.000Z',
  '2049-12-31T23:59:59.990Z',
  '9999-12-31T23:59:59.999Z'
]

interface Order {
  id: number
  created_at: string
}

onEachEngine(t, async (t, service) => {
  const { app, get, send } = service
  const user = (await send('POST', '/users', { email: 'old@example.com', name: 'Old' })).json<{ id: number }>()
  for (const at of INSTANTS) {
    await app.db.execute(
      sql`insert into orders (user_id, status, total, created_at) values (${user.id}, 'pending', '1.00', ${at})`
    )
  }

  for (const sort of ['created_at', '-created_at']) {
    const pages = await readPages<Order>(service, `/orders?limit=1&sort=${sort}`)
    const found = pages.flat().map(({ created_at }) => created_at)
    t.same(found, sort === 'created_at' ? INSTANTS : INSTANTS.toReversed(), `each is listed once by ${sort}`)
    for (const order of pages.flat()) {
      t.match((await get(`/orders/${order.id}`)).json(), { created_at: order.created_at }, 'the same by id')
    }
  }
})

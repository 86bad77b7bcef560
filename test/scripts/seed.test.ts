import t from 'tap'
import { seed } from '../../scripts/seed.ts'
import { build } from '../helper.ts'

const nothing = { users: 0, orders: 0, posts: 0 }

t.test('an empty database gets samples once', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const added = await seed(app)
  t.ok(added.users > 0 && added.orders > 0 && added.posts > 0)
  t.equal((await app.inject({ url: '/users' })).json<unknown[]>().length, added.users)
  t.equal((await app.inject({ url: '/orders' })).json<unknown[]>().length, added.orders)
  t.equal((await app.inject({ url: '/posts' })).json<unknown[]>().length, added.posts)
  t.strictSame(await seed(app), nothing)
})

t.test('two that start together add them once', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const added = await Promise.all([seed(app), seed(app)])
  const sum = (name: 'users' | 'posts') => added.reduce((all, one) => all + one[name], 0)
  t.equal((await app.inject({ url: '/users' })).json<unknown[]>().length, sum('users'))
  t.equal(Math.max(...added.map(({ users }) => users)), sum('users'))
  t.equal((await app.inject({ url: '/posts' })).json<unknown[]>().length, sum('posts'))
})

t.test('data of somebody else is left alone', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const { id } =
    (await app.inject({ method: 'POST', url: '/users', payload: { email: 'own@example.com', name: 'Own' } })).json<
      { id: number }
    >()
  t.strictSame(await seed(app), nothing, 'no posts either: the sample authors are not there')
  t.equal(id, 1)
})

import t from 'tap'
import { build } from '../helper.ts'

t.test('fifty writers of one post are all carried out', async (t) => {
  const app = await build(t, {
    settings: { PROJECTIONS: false, HANDLER_TIMEOUT_MS: 60_000, DATABASE_TRANSACTION_TIMEOUT_MS: 59_000 }
  })
  const user = (await app.inject({ method: 'POST', url: '/users', payload: { email: 'hot@example.com', name: 'n' } }))
    .json<{ id: number }>()
  const post = (await app.inject({
    method: 'POST',
    url: '/posts',
    payload: { title: 't', content: 'c', category: 'k', author_id: user.id }
  })).json<{ id: string }>()
  const answers = await Promise.all(
    Array.from(
      { length: 50 },
      (_, i) => app.inject({ method: 'PATCH', url: `/posts/${post.id}`, payload: { title: `Writer ${i}` } })
    )
  )
  t.strictSame(
    answers.filter(({ statusCode }) => statusCode !== 200).map(({ statusCode, body }) => `${statusCode} ${body}`),
    []
  )
  const tags = answers.map(({ headers }) => headers['etag'])
  t.equal(new Set(tags).size, 50, 'one after the other, each with a version of its own')
})

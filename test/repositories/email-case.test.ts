import t from 'tap'
import { isProblem, onEachEngine } from '../routes/engines.ts'

onEachEngine(t, async (t, { get, send }) => {
  const { id } = (await send('POST', '/users', { email: 'Ada@Example.com', name: 'Ada' })).json<{ id: number }>()
  const other = (await send('POST', '/users', { email: 'eve@example.com', name: 'Eve' })).json<{ id: number }>()

  await t.test('a mailbox has one account, whatever the case of its letters', async (t) => {
    for (const email of ['ada@example.com', 'ADA@EXAMPLE.COM', 'aDA@example.COM']) {
      isProblem(t, await send('POST', '/users', { email, name: 'n' }), 409, {
        errors: [{ pointer: '/email', detail: 'User with this email already exists' }]
      })
      isProblem(t, await send('PATCH', `/users/${other.id}`, { email }), 409)
    }
  })

  await t.test('it is kept as it was given, and found by any spelling', async (t) => {
    for (const email of ['Ada@Example.com', 'ada@example.com', 'ADA@EXAMPLE.COM']) {
      t.match((await get(`/users?email=${email}`)).json(), [{ id, email: 'Ada@Example.com' }])
    }
    t.equal(
      (await send('PATCH', `/users/${id}`, { email: 'ada@example.com' })).statusCode,
      200,
      'its own case may change'
    )
    t.match((await get(`/users/${id}`)).json(), { email: 'ada@example.com' })
  })
})

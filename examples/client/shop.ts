// What a program does with the client: `npm run client`, then `npx tsx examples/client/shop.ts http://127.0.0.1:3000`.
import { changeRead, createApi, ProblemError, readAll, sendOnce } from './api.ts'

const api = createApi(process.argv[2] ?? 'http://127.0.0.1:3000')
const email = `${crypto.randomUUID()}@example.com`

// Whatever happens on the way, there is one user and one order.
const user = await sendOnce((header) => api.POST('/users', { params: { header }, body: { email, name: 'Ada' } }))
for (const unit_price of ['10.00', '9.99', '0.50']) {
  const body = { user_id: user.id, items: [{ product: 'Cards', quantity: 1, unit_price }] }
  await sendOnce((header) => api.POST('/orders', { params: { header }, body }))
}

// A refusal says what is wrong, and where.
try {
  await api.POST('/users', { body: { email, name: 'Ada again' } })
} catch (error) {
  if (!(error instanceof ProblemError)) throw error
  console.log(`refused: ${error.problem.status} ${error.problem.errors?.[0]?.pointer ?? ''}`)
}

// Page by page, in the order that is asked for.
const user_id = user.id
const totals: string[] = []
const pages = readAll((after) =>
  api.GET('/orders', { params: { query: { user_id, sort: 'created_at', limit: 2, ...(after && { after }) } } })
)
for await (const order of pages) totals.push(order.total)
console.log(`orders: ${totals.join(' ')}`)

// Two programs change one user: none undoes what the other has done.
const path = { id: user.id }
let isDisturbed = false
const changed = await changeRead(
  () => api.GET('/users/{id}', { params: { path } }),
  async ({ name }, header) => {
    if (!isDisturbed) await api.PATCH('/users/{id}', { params: { path }, body: { name: 'Ada Lovelace' } })
    isDisturbed = true
    return await api.PATCH('/users/{id}', { params: { path, header }, body: { name: `${name}, Countess` } })
  }
)
console.log(`name: ${changed.name}`)

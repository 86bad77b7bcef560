import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { build, listen } from '../helper.ts'
import { until } from '../until.ts'
import { survivor } from './service.ts'
import { isWell } from './well.ts'

const WRITERS = 2000
const READERS = 100

/** F58: two thousand write a row that an idle handler holds for six seconds; strangers write and read meanwhile. */
export async function hotRow (t: Test): Promise<void> {
  let isHeld = false
  const app = await build(t, {
    settings: { PROJECTIONS: false },
    plugins: async (app) => {
      app.post('/hold/:id', async (request) => {
        const { id } = request.params as { id: string }
        await request.transaction.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [id])
        isHeld = true
        await sleep(6000)
        return {}
      })
    }
  })
  const send = async (method: 'GET' | 'POST' | 'PATCH', url: string, payload?: object) =>
    await app.inject({ method, url, ...(payload && { payload }) })
  const { id } = (await send('POST', '/users', { name: 'hot', email: 'hot@example.com' })).json()
  const holder = send('POST', `/hold/${id}`, {}).finally(() => {
    isHeld = false
  })
  await until('the row is held', () => isHeld)
  const writers = Array.from({ length: WRITERS }, (_, at) => send('PATCH', `/users/${id}`, { name: `n${at}` }))
  const strangers: number[] = []
  for (let n = 0; isHeld; n++) {
    strangers.push((await send('POST', '/users', { name: 's', email: `s${n}@example.com` })).statusCode)
    strangers.push((await send('GET', `/users/${id}`)).statusCode)
  }
  t.same(strangers.filter((status) => status >= 300), [], `${strangers.length} strangers were answered`)
  t.equal((await holder).statusCode, 200)
  const statuses = new Set((await Promise.all(writers)).map(({ statusCode }) => statusCode))
  t.same([...statuses].filter((status) => ![200, 503].includes(status)), [])
  await isWell(t, survivor(app, String(app.config.DATABASE_URL)))
}

/** F52: a hundred readers take nothing of a long list; strangers are answered, and all memory of answers is given back. */
export async function idleReaders (t: Test): Promise<void> {
  const app = await build(t, { settings: { PROJECTIONS: false, SEND_TIMEOUT_MS: 3000, ANSWERS_IN_FLIGHT_MB: 16 } })
  const user = await app.inject({ method: 'POST', url: '/users', payload: { name: 'a', email: 'a@example.com' } })
  const post = { author_id: user.json().id, category: 'long', content: 'long '.repeat(7000) }
  for (let n = 0; n < 30; n++) await app.inject({ method: 'POST', url: '/posts', payload: { ...post, title: `t${n}` } })
  const port = Number(new URL(await listen(t, app)).port)
  const readers = Array.from({ length: READERS }, () => connect(port, '127.0.0.1').on('error', () => {}).pause())
  for (const reader of readers) reader.write('GET /posts?limit=25 HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(10))
  await until('answers wait to be taken', () => app.answersInFlight.count > 0)
  while (app.answersInFlight.count > 0) {
    t.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200)
    t.ok(app.answersInFlight.size < 48 * 2 ** 20, 'no more waits than the bound and what was under way')
    await sleep(250)
  }
  for (const reader of readers) reader.destroy()
  await isWell(t, survivor(app, String(app.config.DATABASE_URL)))
}

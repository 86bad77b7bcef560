import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { startServer, type ServerProcess } from '../process.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { isWell, newEmail } from './well.ts'

interface Sent {
  key: string
  body: string
  status: number
  answer: string
}

/** Sends an order under a key; status 0 when the connection broke before an answer came. */
async function order (origin: string, key: string, body: string): Promise<Sent> {
  try {
    const reply = await fetch(`${origin}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body
    })
    return { key, body, status: reply.status, answer: await reply.text() }
  } catch {
    return { key, body, status: 0, answer: '' }
  }
}

const toKey = (round: number): string => `kill-${round}-`
const toBody = (key: string): string =>
  JSON.stringify({
    user_id: 1,
    items: ['first', 'second', 'third'].map((name) => ({ product: `${key} ${name}`, quantity: 1, unit_price: '1.00' }))
  })

/**
 * Kills the service (SIGKILL) while eight clients write orders of three items, starts it again, and sends what was not
 * answered again under the same Idempotency-Key. Afterwards each order is there once and whole, and an acknowledged one
 * was never lost.
 * @param rounds how often it is killed
 * @returns how many requests were sent, acknowledged and left without an answer, and how many of those had been stored
 */
export async function killRounds (
  t: Test,
  rounds: number
): Promise<{ sent: number; acked: number; unanswered: number; stored: number }> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  const admin = new pg.Client({ connectionString: databaseUrl, application_name: 'test' })
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query("insert into users (id, name, email) overriding system value values (1, 'Ada', $1)", [newEmail()])
  await admin.query("select setval(pg_get_serial_sequence('users', 'id'), 1)")
  const env = {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    MONGODB_URL: mongoUrl,
    MONGODB_DATABASE: mongoDatabase,
    LOG_LEVEL: 'info'
  }
  const total = { sent: 0, acked: 0, unanswered: 0, stored: 0 }
  let service = startServer(t, env)
  for (let round = 0; round < rounds; round++) {
    const ledger = await writeUntilKilled(service, round)
    await until(
      'its sessions are gone',
      async () =>
        (await admin.query(
          "select 1 from pg_stat_activity where datname = current_database() and application_name like 'tandem%'"
        )).rowCount === 0
    )
    const { rows } = await admin.query<{ product: string }>(
      'select product from order_items where starts_with(product, $1)',
      [toKey(round)]
    )
    const items = new Set(rows.map(({ product }) => product))
    const isStored = ({ key }: Sent) => items.has(`${key} first`)
    t.same(ledger.filter((sent) => sent.status === 201 && !isStored(sent)), [], 'no acknowledged order is lost')
    const unanswered = ledger.filter(({ status }) => status === 0)
    total.sent += ledger.length
    total.acked += ledger.filter(({ status }) => status === 201).length
    total.unanswered += unanswered.length
    total.stored += unanswered.filter(isStored).length
    service = startServer(t, env)
    await sendAgain(t, await service.origin, unanswered, ledger.find(({ status }) => status === 201))
  }
  const { rows } = await admin.query<{ n: number; whole: number; keys: number }>(
    `select count(*)::int as n, count(*) filter (where items = 3)::int as whole, count(distinct key)::int as keys
    from (select order_id, count(*) as items, min(split_part(product, ' ', 1)) as key from order_items group by order_id) o`
  )
  // A busy machine may have refused some (503): those are not there.
  const made = total.acked + total.unanswered
  t.same(
    rows[0],
    { n: made, whole: made, keys: made },
    'every order is there once, and whole, and nothing that was refused'
  )
  const origin = await service.origin
  await isWell(t, {
    databaseUrl,
    log: service.log,
    isAlive: () => service.child.exitCode === null,
    send: async (method, url, body) =>
      (await fetch(origin + url, {
        method,
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
      })).status
  })
  t.comment(JSON.stringify(total))
  return total
}

async function writeUntilKilled (service: ServerProcess, round: number): Promise<Sent[]> {
  const origin = await service.origin
  const ledger: Sent[] = []
  let isKilled = false
  const clients = Promise.all(Array.from({ length: 8 }, async (_, me) => {
    for (let n = 0; !isKilled; n++) {
      const key = `${toKey(round)}${me}-${n}`
      ledger.push(await order(origin, key, toBody(key)))
    }
  }))
  await until('orders are acknowledged', () => ledger.filter(({ status }) => status === 201).length >= 20, 30_000)
  // Any moment will do, so that every stage is met sooner or later.
  await sleep(Math.random() * 50)
  isKilled = true
  service.child.kill('SIGKILL')
  await clients
  await service.ended
  return ledger
}

async function sendAgain (t: Test, origin: string, unanswered: Sent[], acked: Sent | undefined): Promise<void> {
  await Promise.all(unanswered.map(async ({ key, body }) => {
    const five = await Promise.all(Array.from({ length: 5 }, () => order(origin, key, body)))
    t.ok(
      five.every(({ status }) => [201, 409, 503].includes(status)),
      `at once: ${five.map(({ status }) => status).join()}`
    )
    await until(`${key} has its answer`, async () => (await order(origin, key, body)).status === 201, 20_000)
  }))
  if (acked === undefined) return
  const again = await order(origin, acked.key, acked.body)
  t.same([again.status, again.answer], [acked.status, acked.answer], 'an answered one has the same answer again')
  t.equal((await order(origin, acked.key, toBody('other'))).status, 422, 'another request under its key is refused')
}

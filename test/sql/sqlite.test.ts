import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { answerFor } from '../../plugins/transaction/answers.ts'
import type { Settings } from '../../schemas/settings.ts'
import { newFolder } from '../folder.ts'
import { until } from '../helper.ts'
import { smallApp } from './small-app.ts'

const never = () => false
const failure = (work: Promise<unknown>) => work.then(() => undefined, (reason: unknown) => reason)

async function fileApp (t: Test, settings: Partial<Settings> = {}) {
  const file = path.join(newFolder(t), 'app.db')
  return { file, ...await openApp(t, `file:${file}`, settings) }
}

async function openApp (t: Test, url: string, settings: Partial<Settings> = {}) {
  const { app, log } = await smallApp(t, { DATABASE_URL: url, ...settings })
  const { sqlite } = app
  if (sqlite === undefined) throw new Error('the app does not run on SQLite')
  return { app, log, pool: sqlite }
}

const program = `
  import Libsql from 'libsql'
  const database = new Libsql(process.argv[1], { timeout: 0 })
  process.on('message', (sql) => {
    database.exec(sql)
    process.send('done')
  })
  process.send('ready')`

/** Another process that has the file open and runs what it is told. */
async function otherProgram (t: Test, file: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, NODE_OPTIONS: '' } })
  await once(child, 'message')
  const isGone = () => child.exitCode !== null || child.signalCode !== null
  const kill = async () => {
    if (isGone()) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  t.teardown(kill)
  return {
    kill,
    run: async (sql: string) => {
      child.send(sql)
      await Promise.race([once(child, 'message'), once(child, 'exit').then(() => { throw new Error(`the other program ended at ${sql}`) })])
    }
  }
}

t.test('pragmas of every connection', async (t) => {
  const wanted = { foreign_keys: 1, synchronous: 1, busy_timeout: 0 }
  const ask = async (query: (sql: string) => Promise<{ rows: Array<Record<string, unknown>> }>, pragma: string) => Object.values((await query(`pragma ${pragma}`)).rows[0] ?? {})[0]

  t.test('a file: the writer and each reader', async (t) => {
    const { pool } = await fileApp(t, { DATABASE_POOL_SIZE: 3 })
    await pool.query('create table t (v)')
    const writer = await pool.begin({ readOnly: false, abandoned: never })
    const readers = await Promise.all([1, 2, 3].map(() => pool.begin({ readOnly: true, abandoned: never })))
    for (const session of [writer, ...readers]) {
      const query = session.query.bind(session)
      for (const [pragma, value] of Object.entries({ ...wanted, journal_mode: 'wal' })) t.equal(await ask(query, pragma), value, pragma)
    }
    t.same([pool.counts.writes.open, pool.counts.reads.open], [1, 3])
    for (const session of [writer, ...readers]) await session.end('rollback')
  })

  t.test('memory: one connection for everything', async (t) => {
    const { pool } = await openApp(t, ':memory:')
    for (const [pragma, value] of Object.entries(wanted)) t.equal(await ask(pool.query.bind(pool), pragma), value, pragma)
    const holder = await pool.begin({ readOnly: false, abandoned: never })
    const [read, write] = [pool.query('select 1 as one'), pool.query('create table t (v)')]
    t.equal(pool.counts.reads.waiting, 2, 'everything else queues behind a transaction')
    await holder.end('commit')
    t.same((await read).rows, [{ one: 1 }])
    await write
    t.equal(pool.counts.reads.open, 1)
  })

  t.test('foreign keys hold', async (t) => {
    const { pool } = await openApp(t, ':memory:')
    const error = await failure(pool.query("insert into orders (user_id, total) values (1, '0.00')"))
    t.match(answerFor(error), { status: 409, type: 'reference' })
  })
})

t.test('waiting', async (t) => {
  t.test('writers take turns in the order they came', async (t) => {
    const { pool } = await fileApp(t)
    await pool.query('create table turns (id integer primary key, who)')
    const holder = await pool.begin({ readOnly: false, abandoned: never })
    const writers = Array.from({ length: 20 }, async (_, who) => {
      const session = await pool.begin({ readOnly: false, abandoned: never })
      await session.query('insert into turns (who) values ($1)', [who])
      await sleep(1)
      await session.end('commit')
    })
    await holder.end('commit')
    await Promise.all(writers)
    const { rows } = await pool.query<{ who: number }>('select who from turns order by id')
    t.same(rows.map(({ who }) => who), Array.from({ length: 20 }, (_, who) => who))
  })

  t.test('a reader that stays does not hold up a writer, and sees one state', async (t) => {
    const { pool } = await fileApp(t)
    await pool.query('create table t (v)')
    const reader = await pool.begin({ readOnly: true, abandoned: never })
    const count = async () => (await reader.query<{ n: number }>('select count(*) as n from t')).rows[0]?.n
    t.equal(await count(), 0)
    await pool.query('insert into t values (1)')
    t.equal((await pool.query('select * from t')).rowCount, 1)
    t.equal(await count(), 0)
    await t.rejects(reader.query('insert into t values (2)'), { code: 'SQLITE_READONLY' })
    await reader.end('commit')
    t.equal((await pool.query('insert into t values (2)')).rowCount, 1, 'its connection is not read only for the next')
  })

  t.test('a wait ends after the pool timeout, or at once when too many wait', async (t) => {
    const { pool } = await fileApp(t, { DATABASE_POOL_TIMEOUT_MS: 200, DATABASE_POOL_MAX_WAITING: 1 })
    const holder = await pool.begin({ readOnly: false, abandoned: never })
    const waiting = failure(pool.query('create table t (v)'))
    t.match(answerFor(await failure(pool.query('create table u (v)'))), { status: 503, type: 'pool-exhausted', retryAfter: 1 })
    t.equal(pool.counts.writes.waiting, 1)
    t.match(answerFor(await waiting), { status: 503, type: 'pool-exhausted' })
    await holder.end('commit')
    t.equal((await pool.query('select * from sqlite_master')).rowCount, 0)
  })

  t.test('who has given up is passed over', async (t) => {
    const { pool } = await fileApp(t)
    const holder = await pool.begin({ readOnly: false, abandoned: never })
    let gaveUp = false
    const abandoned = failure(pool.begin({ readOnly: false, abandoned: () => gaveUp }))
    const next = pool.begin({ readOnly: false, abandoned: never })
    gaveUp = true
    await holder.end('commit')
    t.match(await abandoned, { code: 'TX_POOL_TIMEOUT' })
    await (await next).end('rollback')
    t.same(pool.counts.writes, { open: 1, idle: 1, waiting: 0 })
  })
})

t.test('a lock that another process holds', async (t) => {
  t.test('/livez answers, readers read, writers get their turn when it is free', async (t) => {
    const { app, pool, file } = await fileApp(t)
    await pool.query('create table t (v integer primary key)')
    app.get('/livez', () => ({ status: 'alive' }))
    app.post('/', async (request) => (await request.transaction.query('insert into t values (null) returning v')).rows[0])
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    const other = await otherProgram(t, file)
    await other.run('begin immediate')
    const writes = Array.from({ length: 5 }, async () => (await fetch(origin, { method: 'POST' })).json())
    let answered = 0
    for (let i = 0; i < 10; i++) {
      if ((await fetch(`${origin}/livez`)).ok) answered++
      t.equal((await pool.query('select * from t')).rowCount, 0)
      await sleep(10)
    }
    t.equal(answered, 10, 'liveness never waited')
    await other.run('commit')
    t.same((await Promise.all(writes)).map((row) => (row as { v: number }).v).sort(), [1, 2, 3, 4, 5])
  })

  t.test('longer than the timeout: 503, and the connection that met it is not used again', async (t) => {
    const { pool, file } = await fileApp(t, { DATABASE_POOL_TIMEOUT_MS: 100 })
    await pool.query('create table t (v)')
    const other = await otherProgram(t, file)
    await other.run('begin immediate')
    t.match(answerFor(await failure(pool.query('insert into t values (1)'))), { status: 503, type: 'lock-timeout', retryAfter: 1 })
    t.match(answerFor(await failure(pool.begin({ readOnly: false, abandoned: never }))), { status: 503, type: 'lock-timeout' })
    await other.run('commit')
    const session = await pool.begin({ readOnly: false, abandoned: never })
    await session.query('insert into t values (1)')
    await session.end('commit')
    t.equal((await pool.query('select * from t')).rowCount, 1)
  })

  t.test('a request whose deadline passes stops waiting', async (t) => {
    const { app, pool, file } = await fileApp(t, { HANDLER_TIMEOUT_MS: 300, DATABASE_TRANSACTION_TIMEOUT_MS: 250, DATABASE_STATEMENT_TIMEOUT_MS: 200, DATABASE_LOCK_TIMEOUT_MS: 100 })
    await pool.query('create table t (v)')
    app.post('/', async (request) => request.transaction.query('insert into t values (1)'))
    await app.ready()
    const other = await otherProgram(t, file)
    await other.run('begin immediate')
    t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 504)
    t.ok(await until(() => pool.counts.writes.idle + pool.counts.writes.open === 0), 'nothing polls for it any more')
    await other.run('commit')
    t.equal((await pool.query('select * from t')).rowCount, 0, 'nothing was written late')
  })
})

t.test('transactions', async (t) => {
  async function routes (t: Test) {
    const small = await fileApp(t)
    await small.pool.query('create table t (v integer primary key)')
    const insert = 'insert into t values (1)'
    small.app.post('/ok', async (request) => (await request.transaction.query(`${insert} returning v`)).rows)
    small.app.post('/refused', async (request, reply) => {
      await request.transaction.query(insert)
      return reply.code(409).send({})
    })
    small.app.post('/swallowed', async (request) => {
      await request.transaction.query(insert)
      await request.transaction.query(insert).catch(() => {})
      return {}
    })
    small.app.post('/savepoint', async (request) => {
      const { transaction } = request
      await transaction.query(insert)
      await transaction.query('savepoint a')
      await transaction.query(insert).catch(() => transaction.query('rollback to savepoint a'))
      return {}
    })
    small.app.post('/stray', async (request) => {
      await request.transaction.query(insert)
      await small.app.db.execute(insert)
    })
    small.app.post('/control', async (request) => request.transaction.query('commit'))
    await small.app.ready()
    const post = async (url: string) => (await small.app.inject({ method: 'POST', url })).statusCode
    const rows = async () => (await small.pool.query('select * from t')).rowCount
    return { ...small, post, rows }
  }

  t.test('the status decides', async (t) => {
    const { post, rows } = await routes(t)
    t.equal(await post('/refused'), 409)
    t.equal(await rows(), 0)
    t.equal(await post('/ok'), 200)
    t.equal(await rows(), 1)
  })

  t.test('a statement past the transaction could only wait for it, and is refused', async (t) => {
    const { app, post, rows } = await routes(t)
    t.match((await app.inject({ method: 'POST', url: '/stray' })).json(), { statusCode: 500, message: /second connection inside its transaction/ })
    t.equal(await rows(), 0)
    t.equal(await post('/ok'), 200)
  })

  t.test('as on PostgreSQL, a swallowed error leaves nothing to commit, a savepoint rescues', async (t) => {
    const { post, rows } = await routes(t)
    t.equal(await post('/swallowed'), 500)
    t.equal(await rows(), 0)
    t.equal(await post('/control'), 500)
    t.equal(await post('/savepoint'), 200)
    t.equal(await rows(), 1)
  })

  t.test('what SQLite cannot do is refused when the route is declared', async (t) => {
    const { app } = await fileApp(t)
    const declare = (options: object) => () => { app.post('/x', { config: { transaction: options } }, async () => ({})) }
    t.throws(declare({ isolationLevel: 'read committed' }), /POST \/x: .*isolationLevel: SQLite is always serializable/)
    t.throws(declare({ lockTimeout: 100 }), /lockTimeout: .*deadline/)
    t.throws(declare({ statementTimeout: 100, settings: () => ({}) }), /statementTimeout: .*settings: /)
    t.throws(declare({ stream: true, accessMode: 'read only' }), /stream: /)
    t.doesNotThrow(declare({ isolationLevel: 'serializable', deadline: 1000 }))
  })

  t.test('drizzle: savepoints, siblings, and no transaction() outside one', async (t) => {
    const { app, pool } = await openApp(t, ':memory:')
    await pool.query('create table t (v integer primary key)')
    await app.transaction(async ({ db }) => {
      const insert = async (tx: typeof db, v: number) => tx.execute(`insert into t values (${v})`)
      await insert(db, 1)
      const siblings = [2, 1, 3].map((v) => db.transaction((tx) => insert(tx, v)))
      t.same((await Promise.allSettled(siblings)).map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
      await t.rejects(db.transaction(() => db.transaction(() => insert(db, 4))), /handle that the outer callback was given/)
    })
    t.same((await pool.query('select v from t order by v')).rows, [{ v: 1 }, { v: 2 }, { v: 3 }])
    await t.rejects(app.db.transaction(async () => {}), /use app.transaction/)
  })
})

t.test('values', async (t) => {
  const { pool } = await openApp(t, ':memory:')
  await pool.query('create table v (t text, i integer, b blob)')
  const kept = async (text: unknown, integer: unknown) => (await pool.query('insert into v (t, i) values ($1, $2) returning t, i', [text, integer])).rows[0]
  t.same(await kept(1, true), { t: '1', i: 1 }, 'whole numbers stay whole in text columns, booleans are 1 and 0')
  t.same(await kept({ a: 1 }, new Date(5)), { t: '{"a":1}', i: 5 })
  t.same(await kept(undefined, 2n ** 53n), { t: null, i: 2 ** 53 })
  t.same((await pool.query('select $2 as second, $1 as first, \'$1\' as quoted', ['a', 'b'])).rows, [{ second: 'b', first: 'a', quoted: '$1' }])
  for (const refused of ['nul\0', NaN, Infinity, 2n ** 63n, new Date(NaN), Symbol('x')]) {
    t.match(answerFor(await failure(kept('x', refused))), { status: 422, type: 'value-refused' }, inspect(refused))
  }
  t.match(answerFor(await failure(pool.query('insert into users (email, name) values (\'a@b.c\', \'\')'))), { status: 422 })
  await pool.query('insert into users (email, name) values (\'a@b.c\', \'A\')')
  t.match(answerFor(await failure(pool.query('insert into users (email, name) values (\'a@b.c\', \'A\')'))), { status: 409, type: 'duplicate' })
})

t.test('echo', async (t) => {
  const { pool, log } = await openApp(t, ':memory:', { DATABASE_ECHO: true })
  await pool.query('select $1 as secret', ['hush'])
  t.match(log.at(-1), { msg: 'sql', statement: 'select $1 as secret' })
  t.notMatch(JSON.stringify(log), /hush/)
})

t.test('F38 a full disk: 503, nothing half, and the service goes on', async (t) => {
  const { app, pool } = await fileApp(t)
  await pool.query('create table t (v)')
  app.post('/', async (request) => {
    await request.transaction.query('insert into t values (1)')
    await request.transaction.query('pragma max_page_count = 3')
    await request.transaction.query('insert into t values (zeroblob(100000))')
    return {}
  })
  app.setErrorHandler((error, _request, reply) => reply.code(answerFor(error)?.status ?? 500).send())
  t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 503)
  t.equal((await pool.query('select * from t')).rowCount, 0)
  t.equal((await pool.query('insert into t values (1)')).rowCount, 1, 'on a new connection, without the limit')
})

t.test('files', async (t) => {
  const opening = (t: Test, url: string) => failure(openApp(t, url))
  const oneLine = (t: Test, error: unknown, pattern: RegExp) => {
    t.match(error, { code: 'SQLITE_FILE', message: pattern })
    t.notMatch(error, { message: /\n/ })
  }

  t.test('what cannot be opened is told in one line', async (t) => {
    const folder = newFolder(t)
    writeFileSync(path.join(folder, 'text.db'), 'this is no database, whatever its name says. '.repeat(100))
    mkdirSync(path.join(folder, 'folder.db'))
    oneLine(t, await opening(t, `file:${folder}/text.db`), /text\.db is not an SQLite database, and was left as it is/)
    t.match(readFileSync(path.join(folder, 'text.db'), 'utf8'), /^this is no database/)
    oneLine(t, await opening(t, `file:${folder}/folder.db`), /is not a file/)
    oneLine(t, await opening(t, `file:${folder}/missing/app.db`), /missing does not exist: create it/)
    t.notOk(existsSync(path.join(folder, 'missing')))
    oneLine(t, await opening(t, `file:${folder}/text.db/app.db`), /is not a folder/)
    oneLine(t, await opening(t, 'file:'), /names no file/)
  })

  t.test('a read-only file and a read-only folder, as an ordinary user', async (t) => {
    const folder = newFolder(t)
    for (const name of ['open', 'closed']) mkdirSync(path.join(folder, name))
    writeFileSync(path.join(folder, 'open', 'app.db'), '')
    chmodSync(folder, 0o755)
    chmodSync(path.join(folder, 'open'), 0o777)
    chmodSync(path.join(folder, 'open', 'app.db'), 0o444)
    chmodSync(path.join(folder, 'closed'), 0o555)
    const script = `
      if (process.getuid() === 0) process.setuid(65534)
      const { tryFile } = await import(${JSON.stringify(path.join(import.meta.dirname, '../../plugins/sql/sqlite-file.ts'))})
      for (const file of ['open/app.db', 'closed/app.db']) try { await tryFile(${JSON.stringify(folder)} + '/' + file) } catch (error) { console.log(error.message) }`
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
    t.match(stdout, /app\.db is read-only for this user/)
    t.match(stdout, /closed cannot be written/)
  })

  t.test('a second instance is refused; a killed one leaves nothing to clean up', async (t) => {
    const { app, file } = await fileApp(t)
    oneLine(t, await opening(t, `file:${file}`), /in use by another instance of this service/)
    await app.close()
    t.notOk(existsSync(`${file}-instance`))
    const other = await otherProgram(t, `${file}-instance`)
    await other.run('begin exclusive')
    oneLine(t, await opening(t, `file:${file}`), /in use by another instance/)
    await other.kill()
    t.equal(await opening(t, `file:${file}`), undefined)
  })

  t.test('a file that another program has locked entirely is waited for, then named', async (t) => {
    const folder = newFolder(t)
    const file = path.join(folder, 'app.db')
    await migrate(`file:${file}`)
    const other = await otherProgram(t, file)
    await other.run('pragma locking_mode = exclusive; begin exclusive; create table x (v); commit')
    oneLine(t, await opening(t, `file:${file}`), /is locked by another program/)
  })

  t.test('what is written is there after the app has closed', async (t) => {
    const { app, pool, file } = await fileApp(t)
    await pool.query('create table t (v)')
    await pool.query('insert into t values (1)')
    await app.close()
    const again = await openApp(t, `file:${file}`)
    t.equal((await again.pool.query('select * from t')).rowCount, 1)
  })

  t.test('paths: relative, absolute, percent-encoded', async (t) => {
    const folder = newFolder(t)
    mkdirSync(path.join(folder, 'with space'))
    const { app } = await openApp(t, `file://${folder}/with%20space/app.db`)
    t.ok(existsSync(path.join(folder, 'with space', 'app.db')))
    await app.close()
  })
})

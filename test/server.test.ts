import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import t, { type Test } from 'tap'
import { buildApp } from '../app.ts'
import { migrate } from '../drizzle/migrate.ts'
import { explainBoot } from '../plugins/errors/boot.ts'
import type { Settings } from '../schemas/settings.ts'
import { createThingsAt } from './fixture/tables.ts'
import { databases, comesTrue } from './helper.ts'
import { listenOn, startServer, type ServerProcess } from './process.ts'
import { Proxy } from './proxy.ts'

const SECRET = 's3cret-value'

async function production (t: Test): Promise<NodeJS.ProcessEnv> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  await createThingsAt(databaseUrl)
  return { NODE_ENV: 'production', DATABASE_URL: databaseUrl, MONGODB_URL: mongoUrl, MONGODB_DATABASE: mongoDatabase }
}

async function send (
  agent: Agent,
  url: string,
  body?: object
): Promise<{ status: number; headers: IncomingMessage['headers'] }> {
  const sent = body === undefined
    ? request(url, { agent })
    : request(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [reply] = await once(sent, 'response') as [IncomingMessage]
  await reply.toArray()
  return { status: reply.statusCode ?? 0, headers: reply.headers }
}

// Lines with the next step in them, and no secret anywhere.
function explains (t: Test, text: string, wanted: RegExp[]): void {
  const lines = text.trim().split('\n')
  t.equal(lines.length, wanted.length, text)
  for (const [at, line] of wanted.entries()) t.match(lines[at], line)
  t.notMatch(text, SECRET)
}

async function refuses (t: Test, server: ServerProcess, wanted: RegExp[]): Promise<void> {
  t.equal(await server.ended, 1, 'exit code')
  explains(t, server.errors(), wanted)
  t.notMatch(JSON.stringify(server.log), SECRET)
}

// The same without a process: what server.ts would say.
async function cannotStart (t: Test, env: NodeJS.ProcessEnv, wanted: RegExp[]): Promise<void> {
  try {
    const app = await buildApp({ logger: false, settings: env as Partial<Settings> })
    await app.close()
    t.fail('the app was built')
  } catch (error) {
    explains(t, explainBoot(error, env).join('\n'), wanted)
  }
}

async function withPath (url: string | undefined, change: (url: URL) => void): Promise<string> {
  const changed = new URL(url ?? '')
  change(changed)
  return changed.href
}

t.test('what keeps the service from starting is said in one line', async (t) => {
  await t.test('wrong settings, all of them', async (t) => {
    const server = startServer(t, {
      PORT: 'abc',
      LOG_LEVEL: 'loud',
      DATABASE_URL: `mysql://root:${SECRET}@db/x`,
      NODE_ENV: 'production'
    })
    await refuses(t, server, [
      /^DATABASE_URL must be postgres:/,
      /^PORT must be a whole number from 0 to 65535, not "abc"$/,
      /^LOG_LEVEL must be one of trace, debug/,
      /^MONGODB_URL must be set when NODE_ENV is production/
    ])
  })
  await t.test('no database, while developing', async (t) => {
    await refuses(t, startServer(t, {}), [/^DATABASE_URL must be set: npm start starts a PostgreSQL by itself/])
  })
  await t.test('a port that is taken', async (t) => {
    const taken = await listenOn(0)
    t.teardown(() => {
      taken.close()
    })
    const { port } = taken.address() as { port: number }
    await refuses(t, startServer(t, { ...await production(t), PORT: String(port) }), [
      new RegExp(`^Port ${port} is taken: .*PORT=${port + 1} npm start$`)
    ])
  })
  await t.test('F3 a PostgreSQL database that is not there', async (t) => {
    const env = await production(t)
    const DATABASE_URL = await withPath(env['DATABASE_URL'], (url) => {
      url.pathname = 'nowhere'
    })
    const { host } = new URL(DATABASE_URL)
    await refuses(t, startServer(t, { ...env, DATABASE_URL }), [
      new RegExp(`^PostgreSQL at ${host}/nowhere has no such database: create it`)
    ])
  })
  await t.test('F3 a role that PostgreSQL does not know', async (t) => {
    const env = await production(t)
    const DATABASE_URL = await withPath(env['DATABASE_URL'], (url) => {
      url.username = 'nobody'
      url.password = SECRET
    })
    await cannotStart(t, { ...env, DATABASE_URL }, [
      /^PostgreSQL at 127\.0\.0\.1:\d+\/test_\w+ refuses the user or password of DATABASE_URL/
    ])
  })
  await t.test('F3 a wrong PostgreSQL password', async (t) => {
    // This one refuses as a real one would, without an encoding that it could be
    // told by.
    const refusal = Buffer.from('SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "tandem"\0\0')
    const server = await listenOn(0, (socket) => {
      const head = Buffer.alloc(5)
      head.write('E')
      head.writeInt32BE(refusal.length + 4, 1)
      socket.on('error', () => {}).once('data', () => {
        socket.end(Buffer.concat([head, refusal]))
      })
    })
    t.teardown(() => {
      server.close()
    })
    const { port } = server.address() as { port: number }
    const env = { ...await production(t), DATABASE_URL: `postgres://tandem:${SECRET}@127.0.0.1:${port}/app` }
    await cannotStart(t, env, [new RegExp(`^PostgreSQL at 127.0.0.1:${port}/app refuses the user or password`)])
  })
  await t.test('F3 a wrong MongoDB password', async (t) => {
    const env = await production(t)
    const MONGODB_URL = (env['MONGODB_URL'] ?? '').replace(/\/\/[^@]*@/, `//ops:${SECRET}@`)
    await cannotStart(t, { ...env, MONGODB_URL }, [
      /^MongoDB at 127\.0\.0\.1:\d+\/ refuses the user or password of MONGODB_URL/
    ])
  })
  await t.test('a MongoDB URL that is none', async (t) => {
    await cannotStart(t, { ...await production(t), MONGODB_URL: `mongodb://ops:${SECRET}@/?x` }, [
      /^MONGODB_URL is not a valid connection string/
    ])
  })
})

t.test('a command says which database does not answer', async (t) => {
  const env = {
    DATABASE_URL: `postgres://tandem:${SECRET}@127.0.0.1:1/app`,
    MONGODB_URL: `mongodb://ops:${SECRET}@127.0.0.1:1/`
  }
  const getError = async (work: Promise<unknown>): Promise<unknown> =>
    await work.then(() => undefined, (error: unknown) => error)
  explains(t, explainBoot(await getError(migrate(env.DATABASE_URL)), env).join('\n'), [
    /^PostgreSQL at 127\.0\.0\.1:1\/app does not answer \(ECONNREFUSED\): start it, or correct DATABASE_URL$/
  ])
  const client = new MongoClient(env.MONGODB_URL, { serverSelectionTimeoutMS: 100 })
  explains(t, explainBoot(await getError(client.connect()), env).join('\n'), [
    /^MongoDB at 127\.0\.0\.1:1\/ does not answer: start it, or correct MONGODB_URL$/
  ])
  await client.close()
})

t.test('F1 F2 databases that cannot be reached do not stop the service', async (t) => {
  const env = await production(t)
  const [sql, mongo] = [await Proxy.start(env['DATABASE_URL'] ?? ''), await Proxy.start(env['MONGODB_URL'] ?? '')]
  t.teardown(async () => {
    await Promise.all([sql.close(), mongo.close()])
  })
  for (const proxy of [sql, mongo]) proxy.refuse()
  const server = startServer(t, {
    ...env,
    DATABASE_URL: sql.through(env['DATABASE_URL'] ?? ''),
    MONGODB_URL: mongo.throughDirectly(env['MONGODB_URL'] ?? '')
  })
  const origin = await server.origin
  t.equal((await fetch(`${origin}/livez`)).status, 200, 'it lives')
  let text = ''
  t.ok(
    await comesTrue(async () => {
      const ready = await fetch(`${origin}/readyz`)
      text = await ready.text()
      return ready.status === 503 && !text.includes('no answer')
    }),
    'it is not ready'
  )
  t.match(JSON.parse(text), { status: 'not ready', checks: { sql: 'down', mongodb: 'down' } })
  t.notMatch(text, /127\.0\.0\.1|ECONN/)
  for (const url of ['/things', '/notes']) {
    const reply = await fetch(origin + url)
    t.equal(reply.status, 503, url)
    t.match(reply.headers.get('retry-after'), /^\d+$/)
    t.match(await reply.json(), { type: '/docs/problems#database-unavailable' })
  }

  for (const proxy of [sql, mongo]) proxy.accept()
  let isReady = false
  for (let tries = 0; tries < 6 && !isReady; tries++) {
    isReady = await comesTrue(async () => (await (await fetch(`${origin}/readyz`)).text()).includes('"ready"'))
  }
  t.ok(isReady, 'it is ready when they are')
  t.equal((await fetch(`${origin}/things`)).status, 200)
  t.equal((await fetch(`${origin}/notes`)).status, 200)
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0)
})

t.test('F47 nothing of the documentation is served in production', async (t) => {
  const server = startServer(t, await production(t))
  const origin = await server.origin
  for (const url of ['/docs', '/openapi.json', '/metrics', '/status']) {
    t.equal((await fetch(origin + url)).status, 404, url)
  }
  const settings = await server.logged(/^settings$/)
  t.match(settings, { settings: { PORT: 0, DATABASE_AT: /^postgres:\/\/127\.0\.0\.1/ } }, 'the settings are logged')
  t.notMatch(JSON.stringify(server.log), /tandem@/, 'without users and passwords')
  server.child.kill('SIGINT')
  t.equal(await server.ended, 0, 'Ctrl-C stops it')
})

// A request that takes as long as the test wants: it waits for a lock that the test holds.
async function withSlowRequest (t: Test, settings: NodeJS.ProcessEnv = {}) {
  const env = await production(t)
  const waits = {
    DATABASE_LOCK_TIMEOUT_MS: '30000',
    DATABASE_STATEMENT_TIMEOUT_MS: '40000',
    DATABASE_TRANSACTION_TIMEOUT_MS: '50000',
    HANDLER_TIMEOUT_MS: '60000'
  }
  const holder = new pg.Client({ connectionString: env['DATABASE_URL'] })
  await holder.connect()
  t.teardown(() => holder.end())
  const server = startServer(t, { ...env, ...waits, ...settings })
  const origin = await server.origin
  const agent = new Agent({ keepAlive: true, maxSockets: 2 })
  t.teardown(() => {
    agent.destroy()
  })
  await send(agent, `${origin}/livez`)
  await holder.query('begin; lock table things in access exclusive mode')
  const slow = send(agent, `${origin}/things`, { name: 'Ada' })
  slow.catch(() => {})
  const waiting = async () =>
    (await holder.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )).rowCount === 1
  for (let tries = 0; tries < 2 && !await comesTrue(waiting); tries++);
  t.ok(await waiting(), 'the request waits for the lock')
  return { server, origin, agent, slow, holder }
}

t.test('F30 SIGTERM lets requests finish', async (t) => {
  const { server, origin, agent, slow, holder } = await withSlowRequest(t)
  const open = connect(Number(new URL(origin).port), '127.0.0.1')
  await once(open, 'connect')
  open.write('GET /readyz HTTP/1.1\r\nhost: x\r\n')
  await send(agent, `${origin}/livez`)

  server.child.kill('SIGTERM')
  await server.logged(/^closing$/)
  let reply = ''
  open.on('data', (chunk) => {
    reply += String(chunk)
  })
  open.write('\r\n')
  await once(open, 'close')
  t.match(reply, /^HTTP\/1\.1 503 /, 'readiness says no, on a connection that was open')
  t.match(reply, /connection: close/i)
  t.match(reply, '"status":"draining"')
  await t.rejects(fetch(`${origin}/livez`), 'a new connection is refused')

  await holder.query('rollback')
  const { status, headers } = await slow
  t.equal(status, 201, 'the request in flight is answered')
  t.equal(headers.connection, 'close', 'and its client told to go elsewhere')
  t.equal(await server.ended, 0, 'exit code')
  t.match(server.log.at(-1), { msg: 'closed' })
})

t.test('F30 on SIGTERM load balancers and clients are told, while all goes on', async (t) => {
  const server = startServer(t, { ...await production(t), SHUTDOWN_DELAY_MS: '60000' })
  const origin = await server.origin
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => {
    agent.destroy()
  })
  const add = (name: string) => send(agent, `${origin}/things`, { name })
  t.equal((await add('before')).headers.connection, 'keep-alive')
  server.child.kill('SIGTERM')
  await server.logged(/^closing$/)
  const ready = await fetch(`${origin}/readyz`)
  t.equal(ready.status, 503, 'readiness says no')
  t.match(await ready.json(), { status: 'draining', checks: { sql: 'up' } })
  for (const name of ['one', 'two']) {
    const { status, headers } = await add(name)
    t.equal(status, 201, 'work goes on, on open connections and on new ones')
    t.equal(headers.connection, 'close', 'and each client is told to go elsewhere')
  }
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 1, 'a second signal does not wait')
})

t.test('F30 what does not finish is cut off within the grace', async (t) => {
  const { server, origin, slow, holder } = await withSlowRequest(t, { SHUTDOWN_GRACE_MS: '1000' })
  const half = connect(Number(new URL(origin).port), '127.0.0.1')
  await once(half, 'connect')
  half.on('error', () => {}).write(
    'POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'
  )
  const cut = once(half, 'close')
  server.child.kill('SIGTERM')
  await t.rejects(slow, 'its connection is closed')
  await cut
  t.equal(await server.ended, 0, 'exit code')
  await holder.query('rollback')
  const { rows } = await holder.query('select 1 from things')
  t.equal(rows.length, 0, 'and what it had begun is rolled back')
})

t.test('F30 a second signal does not wait', async (t) => {
  const { server, slow } = await withSlowRequest(t)
  server.child.kill('SIGTERM')
  await server.logged(/^closing$/)
  server.child.kill('SIGTERM')
  await t.rejects(slow)
  t.equal(await server.ended, 1, 'exit code')
  t.match(server.log.at(-1), { msg: /second signal/ })
})

t.test('an error that nothing handles ends the process, with one line', async (t) => {
  const bomb =
    'data:text/javascript,process.on("message", () => { setTimeout(() => { throw new Error("not handled") }) })'
  const server = startServer(t, await production(t), ['--import', bomb])
  await server.origin
  server.child.send('go')
  t.equal(await server.ended, 1, 'exit code')
  const fatal = server.log.filter(({ level }) => level === 60)
  t.equal(fatal.length, 1)
  t.match(fatal[0], { err: { message: 'not handled' }, msg: /nothing handled/ })
  t.equal(server.errors(), '')
})

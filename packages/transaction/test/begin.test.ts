// BEGIN with the first statement in one packet: whatever becomes of the connection, nothing runs outside a transaction
// and nothing runs twice.
import type { FastifyRequest } from 'fastify'
import { randomInt } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { WAYS } from './begin-ways.ts'
import { database, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const NAMED = { name: 'insert_item', text: 'insert into item values ($1, $2)' }

/** First statements in every form that pg takes. */
const FIRST: Record<string, (request: FastifyRequest) => Promise<unknown>> = {
  values: (request) => insert(request, 1),
  named: (request) => request.transaction.query({ ...NAMED, values: [1, 'named'] }),
  text: (request) => request.transaction.query("insert into item values (1, 'text')"),
  several: (request) => request.transaction.query("insert into item values (1, 'text'); select 1")
}

function addRoutes (app: Parameters<Parameters<typeof setup>[1]['routes']>[0]): void {
  for (const [name, first] of Object.entries(FIRST)) {
    app.post(`/${name}`, transactional, async (request) => {
      await first(request)
      const { rows } = await request.transaction.query<{ n: number }>(
        'select count(*)::int as n from item where id = $1',
        [1]
      )
      return { n: rows[0]?.n }
    })
  }
}

/** A connection whose BEGIN the server does not understand, and which goes on. No server can be made to say so. */
class Mistaking extends pg.Client {
  constructor (config?: string | pg.ClientConfig) {
    super(config)
    const connection = this.connection as unknown as { _send: (message: Buffer) => boolean }
    const send = connection._send.bind(connection)
    connection._send = (message) => send(Buffer.from(message.toString('latin1').replaceAll('BEGIN', 'BEGUN'), 'latin1'))
  }
}

for (const { way, pool, plugin } of WAYS) {
  test(`${way}: a refused BEGIN leaves no statement that runs by itself`, async (t) => {
    const { send } = await setup(t, {
      database: db,
      pool: { ...pool, Client: Mistaking },
      plugin,
      routes: addRoutes,
      isBroken: true
    })
    for (const name of Object.keys(FIRST)) {
      t.match(await send('POST', `/${name}`), { status: 500 }, name)
      t.same(await db.ids(), [], `${name}: nothing is stored`)
    }
  })

  test(`${way}: killed connections are replaced, and nothing runs twice`, async (t) => {
    const { send, pool: own } = await setup(t, { database: db, pool, plugin, routes: addRoutes })
    for (const name of [...Object.keys(FIRST), ...Object.keys(FIRST)]) {
      await db.admin.query('truncate item')
      await Promise.all(Array.from({ length: randomInt(1, 6) }, () => own.query('select pg_sleep(0.01)')))
      await kill()
      t.match(await send('POST', `/${name}`), { status: 200, json: { n: 1 } }, name)
      t.same(await db.ids(), [1], name)
    }
  })

  test(`${way}: a statement that cannot be sent leaves the transaction usable`, async (t) => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const wrong: unknown[] = [
      { text: 'select $1::json', values: [circle] },
      { name: 'insert_item', text: 'select $1::text', values: ['another text of this name'] },
      { text: 'select $1', values: 'no list' }
    ]
    const { send } = await setup(t, {
      database: db,
      pool: { ...pool, max: 1 },
      plugin,
      routes: (app) => {
        for (const [n, statement] of wrong.entries()) {
          app.post(`/wrong/${n}`, transactional, async (request) => {
            const failed = await request.transaction.query(statement as pg.QueryConfig).then(() => false, () => true)
            await request.transaction.query({ ...NAMED, values: [n, 'after it'] })
            return { failed }
          })
        }
      }
    })
    for (const n of [0, 1, 2, 1, 0]) {
      await db.admin.query('truncate item')
      t.match(await send('POST', `/wrong/${n}`), { status: 200, json: { failed: true } }, String(n))
      t.same(await db.ids(), [n])
    }
  })

  test(`${way}: a first statement may take longer than BEGIN`, async (t) => {
    const { send } = await setup(t, {
      database: db,
      pool,
      plugin: (given) => ({ ...plugin(given), beginTimeout: 100 }),
      routes: (app) => {
        app.post('/slow', transactional, async (request) => {
          await request.transaction.query('insert into item select $1, pg_sleep(0.5)::text', [1])
          return {}
        })
      }
    })
    t.equal((await send('POST', '/slow')).status, 200)
    t.same(await db.ids(), [1])
  })

  test(`${way}: a handler that fails before the first answer keeps no connection`, async (t) => {
    const { send, pool: own } = await setup(t, {
      database: db,
      pool,
      plugin,
      routes: (app) => {
        app.post('/throws', transactional, async (request) => {
          insert(request, 1).catch(() => {})
          throw new Error('before the answer')
        })
      }
    })
    for (let n = 0; n < 10; n++) t.equal((await send('POST', '/throws')).status, 500)
    t.same(await db.ids(), [])
    t.ok(await comesTrue(() => own.idleCount === own.totalCount))
  })
}

/** Comments statements as instrumentation of pg does: what has a text and no name is copied. */
function comment (client: pg.Client): void {
  const query = client.query.bind(client) as (statement: unknown, ...rest: unknown[]) => unknown
  const commenting = (statement: string | { text: string; name?: string }, ...rest: unknown[]) => {
    if (typeof statement === 'string') return query(`${statement} /* trace */`, ...rest)
    return query(
      statement.name === undefined ? { ...statement, text: `${statement.text} /* trace */` } : statement,
      ...rest
    )
  }
  client.query = commenting as typeof client.query
}

test('a tracer that adds comments', async (t) => {
  class Commenting extends pg.Client {
    constructor (config?: string | pg.ClientConfig) {
      super(config)
      comment(this)
    }
  }
  const { send } = await setup(t, { database: db, pool: { Client: Commenting }, routes: addRoutes })
  for (const name of Object.keys(FIRST)) {
    await db.admin.query('truncate item')
    t.match(await send('POST', `/${name}`), { status: 200, json: { n: 1 } }, name)
    t.same(await db.ids(), [1], name)
  }
})

test('a tracer that adds comments to a BEGIN that is refused', async (t) => {
  class CommentingMistaking extends Mistaking {
    constructor (config?: string | pg.ClientConfig) {
      super(config)
      comment(this)
    }
  }
  const { send } = await setup(t, {
    database: db,
    pool: { Client: CommentingMistaking },
    routes: addRoutes,
    isBroken: true
  })
  for (const name of Object.keys(FIRST)) {
    t.match(await send('POST', `/${name}`), { status: 500 }, name)
    t.same(await db.ids(), [], `${name}: nothing is stored`)
  }
})

test('a session that forgot its statements is replaced', async (t) => {
  const { send } = await setup(t, {
    database: db,
    pool: { max: 1 },
    routes: (app) => {
      addRoutes(app)
      app.post('/forget', transactional, async (request) => {
        await request.transaction.query('deallocate all')
        return {}
      })
    }
  })
  for (let round = 0; round < 2; round++) {
    await db.admin.query('truncate item')
    t.match(await send('POST', '/named'), { status: 200, json: { n: 1 } })
    t.equal((await send('POST', '/forget')).status, 200)
  }
})

/** Ends all sessions of the app. */
async function kill (): Promise<void> {
  const { rows } = await db.admin.query<{ n: number }>(
    `select count(pg_terminate_backend(pid, 5000))::int as n from pg_stat_activity
     where datname = current_database() and application_name <> 'test' and pid <> pg_backend_pid()`
  )
  if ((rows[0]?.n ?? 0) < 1) throw new Error('there was no session to end')
}

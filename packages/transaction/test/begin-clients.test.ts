// BEGIN through clients whose `query` is a program's own, and connections that are thrown away: nothing that is in
// flight may meet the next one to use a connection, and no wrapper may end the process.
import pg from 'pg'
import t from 'tap'
import { WAYS } from './begin-ways.ts'
import { comesTrue, database, setup, test, transactional, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

type Query = (...args: unknown[]) => unknown

/** Promises of pg's: absent for what is no plain statement, as for a cursor. */
const then = (result: unknown) => result as Promise<{ rows: unknown[] }>

/** What programs put around `query`. */
const WRAPPERS: Record<string, (query: Query) => Query> = {
  'expects a promise': (query) => (...args) => then(query(...args)).then((result) => result),
  'counts rows': (query) => async (...args) => {
    const result = await then(query(...args))
    if (!Array.isArray(result) && result.rows.length > 1000) throw new Error('too many rows')
    return result
  },
  'fails after the statement': (query) => async (...args) => {
    const result = await query(...args)
    if ('submit' in Object(args[0])) throw new Error('a mistake of the wrapper')
    return result
  },
  'sends later': (query) => async (...args) => {
    await new Promise(setImmediate)
    return await query(...args)
  },
  'sends plain statements later': (query) => (...args) =>
    'submit' in Object(args[0]) ? query(...args) : new Promise(setImmediate).then(() => query(...args)),
  'sends the text alone': (query) => (statement, values) => {
    const { text, values: own } = Object(statement) as { text?: string; values?: unknown[] }
    return text === undefined ? query(statement, values) : query(text, values ?? own)
  },
  'adds a comment': (query) => async (statement, ...rest) =>
    await query(
      typeof statement === 'string' ? statement : { ...Object(statement), text: `${getText(statement)} -- a` },
      ...rest
    ),
  'answers by callback': (query) => (...args) =>
    new Promise((resolve, reject) => {
      query(...args, (error: Error | null, result: unknown) => {
        if (error) reject(error)
        else resolve(result)
      })
    })
}

function getText (statement: unknown): string {
  return (statement as { text: string }).text
}

/** A client class with such a `query`, but only for transactions: `pool.query` hands it a callback. */
function wrapping (wrap: (query: Query) => Query): new() => pg.Client {
  return class extends pg.Client {
    constructor (config?: string | pg.ClientConfig) {
      super(config)
      const query = this.query.bind(this) as Query
      const wrapped = wrap(query)
      const own = (...args: unknown[]) => typeof args.at(-1) === 'function' ? query(...args) : wrapped(...args)
      this.query = own as pg.Client['query']
    }
  }
}

for (const { way, pool, plugin } of WAYS) {
  for (const [name, wrap] of Object.entries(WRAPPERS)) {
    test(`${way}: a wrapper that ${name}`, async (t) => {
      const { send, pool: own } = await setup(t, {
        database: db,
        pool: { ...pool, max: 1, Client: wrapping(wrap) },
        plugin,
        routes: (app) => {
          app.post('/two', transactional, async (request) => {
            await insert(request, 1)
            await insert(request, 2)
            return {}
          })
          app.post('/fails', transactional, async (request, reply) => {
            await insert(request, 3)
            return await reply.code(409).send({})
          })
          app.post('/refused', {
            config: { transaction: { settings: () => ({ statement_timeout: 'never' }) } }
          }, async (request) => await insert(request, 4))
        }
      })
      for (
        const [path, status, stored] of [['/two', 200, [1, 2]], ['/fails', 409, []], ['/refused', 500, []]] as const
      ) {
        await db.admin.query('truncate item')
        t.equal((await send('POST', path)).status, status, path)
        t.same(await db.ids(), stored, path)
        await own.query('insert into item values ($1)', [9])
        t.same(await db.ids(), [...stored, 9], 'what the pool is asked next commits by itself')
      }
      const client = await own.connect()
      t.equal(client.pipeline, 'pipeline' in pool, 'it pipelines as the pool says')
      client.release()
    })
  }

  test(`${way}: refused settings leave no session behind`, async (t) => {
    const { send } = await setup(t, {
      database: db,
      pool,
      plugin,
      routes: (app) => {
        app.post('/refused', {
          config: { transaction: { settings: () => ({ statement_timeout: 'never' }) } }
        }, async (request) => await insert(request, 1))
      }
    })
    for (let n = 0; n < 3; n++) t.match(await send('POST', '/refused'), { status: 500, json: { code: 'TX_USAGE' } })
    t.ok(await comesTrue(async () => await countSessions() === 0), 'their sessions have ended')
  })
}

test('a tracer that hears of the end of a statement by its callback, or by its promise', async (t) => {
  const texts: string[] = []
  const trace = (query: Query): Query => (...args) => {
    const [statement] = args
    const { text = String(statement), callback } = { ...Object(statement) } as { text?: string; callback?: Query }
    const end = () => texts.push(text)
    if (callback !== undefined) {
      Object.assign(statement as object, {
        callback: (...results: unknown[]) => {
          end()
          return callback(...results)
        }
      })
    }
    const result = query(...args)
    return result instanceof Promise ? result.finally(end) : result
  }
  const { send } = await setup(t, {
    database: db,
    pool: { Client: wrapping(trace) },
    routes: (app) => {
      app.post('/traced', transactional, async (request) => await insert(request, 1))
    }
  })
  t.equal((await send('POST', '/traced')).status, 200)
  t.match(texts, [/^BEGIN; SET LOCAL/, /^insert/, /^COMMIT/])
})

test('a wrapper that throws at once after it has sent', async (t) => {
  const { send, pool: own } = await setup(t, {
    database: db,
    pool: {
      max: 1,
      Client: wrapping((query) => (...args) => {
        Promise.resolve(query(...args)).catch(() => {})
        throw new Error('a mistake of the wrapper')
      })
    },
    isBroken: true,
    routes: (app) => {
      app.post('/broken', transactional, async (request) => await insert(request, 1))
    }
  })
  t.equal((await send('POST', '/broken')).status, 500)
  await own.query('insert into item values ($1)', [9])
  t.same(await db.ids(), [9], 'what the pool is asked next commits by itself')
})

test('a connection that ends in the packet that says it has begun', async (t) => {
  /** A session whose end is told right behind the answer to BEGIN, as where one read has both. */
  class Ending extends pg.Client {
    constructor (config?: string | pg.ClientConfig) {
      super(config)
      this.once('connect', () => this.connection.on('readyForQuery', this.#end))
    }

    readonly #end = () => {
      if (!isEnding) return
      isEnding = false
      this.connection.emit('error', new Error('Connection terminated unexpectedly'))
      this.connection.stream.destroy()
    }
  }
  let isEnding = false
  const { send } = await setup(t, {
    database: db,
    pool: { Client: Ending },
    routes: (app) => {
      app.post('/one', transactional, async (request) => {
        isEnding = true
        await insert(request, 1).catch(() => {})
        return {}
      })
    }
  })
  t.match(await send('POST', '/one'), { status: 503, json: { code: 'TX_CONNECTION_LOST' } })
  t.same(await db.ids(), [])
})

async function countSessions (): Promise<number | undefined> {
  const { rows } = await db.admin.query<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name <> 'test'"
  )
  return rows[0]?.n
}

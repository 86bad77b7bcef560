import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { RouteTransactionOptions, TransactionPluginOptions } from '../src/index.ts'
import { Proxy } from '../../../test/proxy.ts'
import {
  database,
  logLines,
  signal,
  setup,
  test,
  transactional,
  comesTrue,
  type Setup,
  type Database
} from './harness.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})
const insert = (request: FastifyRequest, id: number) => request.transaction.query('insert into item values ($1)', [id])
const getPid = async (request: FastifyRequest) =>
  (await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
const kill = (pid: number | undefined) => db.admin.query('select pg_terminate_backend($1)', [pid])
const isRunning = async (text: string) =>
  (await db.admin.query(
    "select 1 from pg_stat_activity where datname = current_database() and state = 'active' and query like $1 and pid <> pg_backend_pid()",
    [`%${text}%`]
  )).rowCount === 1
const killRunning = async (text: string) => {
  await comesTrue(() => isRunning(text))
  await db.admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like $1 and pid <> pg_backend_pid()',
    [`%${text}%`]
  )
}

interface Faulty extends Setup {
  proxy: Proxy
}

/** A setup whose pool reaches the server through a proxy. */
async function behindProxy (
  t: Test,
  routes: (app: FastifyInstance, proxy: Proxy) => unknown,
  plugin: Partial<TransactionPluginOptions> = {},
  max = 5
): Promise<Faulty> {
  const proxy = await Proxy.start(db.url)
  t.teardown(() => proxy.close())
  const opened = await setup(t, {
    database: db,
    pool: { connectionString: proxy.through(db.url), max, connectionTimeoutMillis: 1000 },
    plugin: (pool) => ({ pool, checkoutTimeout: 10_000, beginTimeout: 150, commitTimeout: 5000, ...plugin }),
    routes: (app) => routes(app, proxy)
  })
  return { ...opened, proxy }
}

/** Opens so many connections at once, which are idle afterwards. */
async function warm ({ pool }: Setup, count: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: count }, () => pool.connect()))
  for (const client of clients) client.release()
}

test('a killed backend harms its own request only', async (t) => {
  const { lines, logger } = logLines()
  const stageOfTest = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.post('/in-statement', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('select pg_sleep(61)')
        return {}
      })
      app.post('/between', transactional, async (request) => {
        await insert(request, 1)
        await kill(await getPid(request))
        await comesTrue(() => request.transaction.state === 'lost')
        await insert(request, 2)
        return {}
      })
      app.post('/at-the-end', transactional, async (request) => {
        await insert(request, 1)
        await kill(await getPid(request))
        await comesTrue(() => request.transaction.state === 'lost')
        return {}
      })
      app.post('/swallowed', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('select pg_terminate_backend(pg_backend_pid())').catch(() => {})
        return {}
      })
      app.post('/in-commit', { config: { transaction: { retries: 3 } } }, async (request) => {
        runs++
        await insert(request, 3)
        await request.transaction.query('insert into slow values (1, 62000)')
        return {}
      })
      app.post('/works', transactional, async (request) => {
        await insert(request, (request.body as { id: number }).id)
        return {}
      })
    }
  })
  const { send, pool } = stageOfTest
  let runs = 0
  const inStatement = send('POST', '/in-statement')
  await killRunning('pg_sleep(61)')
  t.match(await inStatement, { status: 500, json: { code: '57P01' } })
  t.match(await send('POST', '/between'), {
    status: 503,
    headers: { 'retry-after': '1' },
    json: { code: 'TX_CONNECTION_LOST' }
  })
  t.match(await send('POST', '/at-the-end'), { status: 503, json: { code: 'TX_CONNECTION_LOST' } })
  t.ok((await send('POST', '/swallowed')).status >= 500)
  const inCommit = send('POST', '/in-commit')
  await killRunning('COMMIT')
  t.match(await inCommit, { status: 500, json: { code: 'TX_OUTCOME_UNKNOWN' } })
  t.equal(runs, 1, 'an unknown outcome is never run again')
  t.same(await db.ids(), [])
  await warm(stageOfTest, 5)
  const killAll = () =>
    db.admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'app'"
    )
  await killAll()
  const answers = await Promise.all(Array.from({ length: 8 }, (_, id) => send('POST', '/works', { id })))
  t.same(answers.map(({ status }) => status), Array(8).fill(200), 'idle connections that were killed are replaced')
  t.equal(pool.waitingCount, 0)
  // Those above may have been taken before the pool heard of their end; nobody takes these.
  await killAll()
  t.ok(await comesTrue(() => lines.some((line) => line['msg'] === 'an idle database connection was lost')))
})

test('dead connections are replaced before anything was done on them', async (t) => {
  const stageOfTest = await behindProxy(t, (app) => {
    app.post('/insert', transactional, async (request) => {
      await insert(request, (request.body as { id: number }).id)
      return {}
    })
  })
  const { proxy, send, pool } = stageOfTest
  let next = 0
  const requests = (count: number) =>
    Promise.all(Array.from({ length: count }, () => send('POST', '/insert', { id: ++next })))
  const succeeds = async (what: string) => {
    const answers = await requests(8)
    t.same(answers.map(({ status }) => status), Array(8).fill(200), what)
  }
  await warm(stageOfTest, 5)
  proxy.forget('reset')
  await succeeds('reset at the next write')
  await warm(stageOfTest, 5)
  proxy.forget('silence')
  await succeeds('a black hole')
  await warm(stageOfTest, 5)
  await db.admin.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'app'"
  )
  await succeeds('ended by the server')
  proxy.refuse()
  const during = requests(8)
  await sleep(300)
  proxy.accept()
  t.same((await during).map(({ status }) => status), Array(8).fill(200), 'a server that is away for a moment')
  t.same(await db.ids(), Array.from({ length: 32 }, (_, index) => index + 1), 'each is stored once')
  t.equal(pool.waitingCount, 0)
})

test('a server that stays away', async (t) => {
  const { proxy, send } = await behindProxy(t, (app) => {
    app.post('/insert', transactional, async (request) => {
      await insert(request, 1)
      return {}
    })
    app.post('/deadline', { config: { transaction: { deadline: 100 } } }, async (request) => await insert(request, 1))
    app.post('/aborted', transactional, async (request) => await insert(request, 1))
  }, { checkoutTimeout: 300, retryAfter: 4 })
  proxy.refuse()
  t.match(await send('POST', '/insert'), {
    status: 503,
    headers: { 'retry-after': '4' },
    json: { code: 'TX_CONNECTION_LOST' }
  })
  t.match(await send('POST', '/deadline'), { status: 504, json: { code: 'TX_TIMEOUT' } })
  const aborted = send('POST', '/aborted')
  await sleep(50)
  aborted.abort()
  await sleep(100)
  proxy.accept()
  proxy.pause()
  t.match(await send('POST', '/insert'), { status: 503 }, 'nor one that never answers')
  proxy.resume()
  t.same(await db.ids(), [])
})

test('silence while BEGIN, a statement, ROLLBACK or COMMIT is on its way', async (t) => {
  let runs = 0
  const bounded: RouteTransactionOptions = { deadline: 800 }
  const { proxy, send, pool } = await behindProxy(
    t,
    (app, proxy) => {
      app.post('/begin', { config: { transaction: { deadline: 50 } } }, async (request) => {
        proxy.pause()
        await insert(request, 1)
      })
      app.post('/statement', { config: { transaction: bounded } }, async (request) => {
        await insert(request, 1)
        proxy.pause()
        await insert(request, 2)
      })
      app.post('/rollback', transactional, async (request, reply) => {
        await insert(request, 1)
        proxy.pause()
        return await reply.code(409).send({})
      })
      app.post('/commit', { config: { transaction: { retries: 2 } } }, async (request) => {
        runs++
        await insert(request, 3)
        request.transaction.afterCommit(() => {
          t.fail('nobody knows whether it is committed')
        })
        proxy.pause()
        return {}
      })
      app.post('/commit-reset', transactional, async (request) => {
        await insert(request, 4)
        await request.transaction.query('insert into slow values (1, 300)')
        setTimeout(() => {
          proxy.reset()
        }, 100)
        return {}
      })
      app.post('/query-timeout', transactional, async (request) => {
        await insert(request, 5)
        await request.transaction.query(Object.assign({ text: 'select pg_sleep(60)' }, { query_timeout: 50 }))
      })
    },
    { commitTimeout: 500 },
    1
  )
  for (
    const [path, status, code] of [['/begin', 504, 'TX_TIMEOUT'], ['/statement', 504, 'TX_TIMEOUT'], [
      '/rollback',
      409,
      undefined
    ], ['/commit', 500, 'TX_OUTCOME_UNKNOWN']] as const
  ) {
    const answer = await send('POST', path)
    t.equal(answer.status, status, path)
    t.equal(answer.json['code'], code)
    t.ok(await comesTrue(() => pool.totalCount === 0), `${path}: the connection is thrown away`)
    proxy.resume()
    proxy.reset()
    await comesTrue(async () => !await isRunning('COMMIT'))
  }
  t.equal(runs, 1)
  t.match(await send('POST', '/commit-reset'), { status: 500, json: { code: 'TX_OUTCOME_UNKNOWN' } })
  t.ok((await send('POST', '/query-timeout')).status >= 500)
  const ids = await db.ids()
  t.notOk(ids.includes(1) || ids.includes(2) || ids.includes(5), 'what was not to be committed is not')
})

test('a COMMIT that comes back with a warning', async (t) => {
  await db.admin.query(
    `create function warn() returns trigger language plpgsql as 'begin raise warning ''a warning of the application''; return null; end';
    create constraint trigger warn after insert on parent deferrable initially deferred for each row execute function warn()`
  )
  let sent = 0
  const { send, pool } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post(
        '/standby',
        { config: { transaction: { settings: () => ({ synchronous_commit: 'on' }) } } },
        async (request) => {
          await insert(request, sent)
          return {}
        }
      )
      app.post('/trigger', transactional, async (request) => {
        await request.transaction.query('insert into parent values (1)')
        return {}
      })
    }
  })
  await db.admin.query("alter system set synchronous_standby_names = 'nobody'")
  await db.admin.query('select pg_reload_conf()')
  try {
    let isAnswered = true
    let waiting: Promise<unknown> | undefined
    // Until the server has heard of its new setting, no COMMIT waits.
    t.ok(
      await comesTrue(async () => {
        if (isAnswered) {
          isAnswered = false
          sent++
          waiting = send('POST', '/standby').finally(() => {
            isAnswered = true
          })
        }
        return (await db.admin.query(
          "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'SyncRep'"
        )).rowCount === 1
      })
    )
    await db.admin.query(
      "select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'SyncRep'"
    )
    t.match(
      await waiting,
      { status: 500, json: { code: 'TX_OUTCOME_UNKNOWN' } },
      'stored here, perhaps not on the standby'
    )
  } finally {
    await db.admin.query('alter system reset synchronous_standby_names')
    await db.admin.query('select pg_reload_conf()')
  }
  t.equal((await send('POST', '/trigger')).status, 200, 'a warning of the application is none of the server')
  t.same(await db.ids('parent'), [1])
  t.equal(pool.idleCount, pool.totalCount)
})

const single = {
  config: { transaction: 'statement' },
  schema: { response: { 200: { type: 'object', properties: {} } } }
} as const

test("'statement' on a connection that is killed", async (t) => {
  const { send } = await behindProxy(
    t,
    (app) => {
      app.post(
        '/killed',
        single,
        async (request) => await request.transaction.query('insert into item select 1 from pg_sleep(63)')
      )
    },
    {},
    1
  )
  const killed = send('POST', '/killed')
  await killRunning('pg_sleep(63)')
  t.match(await killed, { status: 500, json: { code: 'TX_OUTCOME_UNKNOWN' } })
})

test("'statement' on a connection that goes silent", async (t) => {
  const { proxy, send, pool } = await behindProxy(
    t,
    (app, proxy) => {
      app.post('/silent', single, async (request) => {
        proxy.pause()
        return await request.transaction.query('insert into item values (2)')
      })
      app.post('/away', single, async (request) => await request.transaction.query('insert into item values (3)'))
    },
    { defaults: { deadline: 400 } },
    1
  )
  await warm({ pool } as Setup, 1)
  t.match(await send('POST', '/silent'), { status: 504 })
  t.ok(await comesTrue(() => pool.totalCount === 0), 'a silent connection is thrown away')
  proxy.resume()
  proxy.refuse()
  t.match(await send('POST', '/away'), { status: 504 })
  proxy.accept()
  t.notOk((await db.ids()).includes(3))
})

test('an observer sees each transaction end, whatever ends it', async (t) => {
  const { logger, lines } = logLines()
  const seen: unknown[] = []
  const entered = signal()
  const { send, app } = await setup(t, {
    database: db,
    fastify: { logger },
    plugin: (pool) => ({
      pool,
      observe: ({ label, attempt }) => {
        if (label.includes('/breaks')) throw new Error('the observer failed')
        return {
          around: (work) => {
            entered.give()
            return work()
          },
          onEnd: ({ outcome, statements }) => {
            seen.push([/\/\S*/.exec(label)?.[0], attempt, outcome, statements])
          }
        }
      }
    }),
    routes: (app) => {
      app.post('/commits', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
      app.post('/conflict', transactional, async (request, reply) => {
        await insert(request, 2)
        return await reply.code(409).send({})
      })
      app.post('/twice', { config: { transaction: { retries: 1 } } }, async (request) => {
        await insert(request, 3)
        if (request.transaction.attempt === 1) {
          throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        }
        return {}
      })
      app.post('/lost', transactional, async (request) => {
        await kill(await getPid(request))
        await comesTrue(() => request.transaction.state === 'lost')
        return {}
      })
      app.post('/quiet', transactional, async () => ({}))
      app.post('/breaks', transactional, async (request) => {
        await insert(request, 4)
        return {}
      })
    }
  })
  for (const path of ['/commits', '/conflict', '/twice', '/lost', '/quiet', '/breaks']) await send('POST', path)
  await app.transaction(async (transaction) => {
    await transaction.query('select 1')
  }, { name: '/job' })
  await entered.given
  t.same(seen, [
    ['/commits', 1, 'committed', 1],
    ['/conflict', 1, 'rolled_back', 1],
    ['/twice', 1, 'rolled_back', 1],
    ['/twice', 2, 'committed', 1],
    ['/lost', 1, 'lost', 1],
    ['/job', 1, 'committed', 1]
  ])
  t.same(await db.ids(), [1, 3, 4], 'an observer that throws harms no transaction')
  t.ok(lines.some((line) => line['msg'] === 'an observer of transactions failed'))
})

test('whatever an observer does, the work runs once and its result counts', async (t) => {
  const { logger, lines } = logLines()
  let around: (work: () => unknown) => unknown = (work) => work()
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    plugin: (pool) => ({
      pool,
      observe: () => ({
        around: around as <Result>(work: () => Result) => Result,
        onEnd: () => {
          throw new Error('onEnd failed')
        }
      })
    }),
    routes: (app) => {
      app.post('/stores', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
      app.post('/refuses', transactional, async (request, reply) => {
        await insert(request, 2)
        return await reply.code(409).send({})
      })
      app.post('/orphan', transactional, async (request) => {
        await request.transaction.query('insert into child values (1, 99)')
        return {}
      })
    }
  })
  const broken: Record<string, typeof around> = {
    'throws before': () => {
      throw new Error('the tracer is broken')
    },
    'throws after': (work) => {
      void work()
      throw new Error('the tracer is broken')
    },
    'returns nothing': (work) => {
      void work()
    },
    'returns a promise of its own': async (work) => await work(),
    'returns another one': (work) => {
      void work()
      return Promise.reject(new Error('another'))
    },
    'calls twice': (work) => {
      void work()
      return work()
    },
    'calls never': () => undefined,
    'calls later': (work) =>
      new Promise((resolve) => {
        setImmediate(() => {
          resolve(work())
        })
      })
  }
  for (const [name, broke] of Object.entries(broken)) {
    around = broke
    t.equal((await send('POST', '/stores')).status, 200, name)
    t.equal((await send('POST', '/refuses')).status, 409, name)
    t.equal((await send('POST', '/orphan')).status, 500, name)
    t.same(await db.ids(), [1], name)
    await db.admin.query('truncate item')
  }
  t.equal(lines.filter((line) => line['msg'] === 'an observer of transactions failed').length, 1, 'said once')
})

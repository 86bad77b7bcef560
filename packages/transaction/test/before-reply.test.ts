import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import {
  database,
  logLines,
  recordStatements,
  signal,
  setup,
  test,
  transactional,
  comesTrue,
  type Database
} from './harness.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})
const insert = (request: FastifyRequest, id: number) =>
  request.transaction.query('insert into item values ($1, $2)', [id, 'a note'])

test('beforeReply runs between COMMIT and first byte, and adds status and headers', async (t) => {
  const events: string[] = []
  const { send } = await setup(t, {
    database: db,
    routes: (app, pool) => {
      recordStatements(pool, events)
      app.post('/', transactional, async (request, reply) => {
        await insert(request, 1)
        request.transaction.beforeReply(() => ({ headers: { 'x-first': request.transaction.state } }))
        request.transaction.beforeReply(async () => {
          await sleep(20)
          events.push('callback')
          return { status: 201, headers: { 'x-second': '2' } }
        })
        request.transaction.beforeReply(() => undefined)
        reply.code(202).raw.once('finish', () => {
          events.push('finish')
        })
        return { it: 'is' }
      })
    }
  })
  t.match(await send('POST', '/'), {
    status: 201,
    headers: { 'x-first': 'committed', 'x-second': '2' },
    json: { it: 'is' }
  })
  t.same(events.slice(-3), ['COMMIT answered', 'callback', 'finish'])
  t.same(await db.ids(), [1])
})

test('beforeReply does not run when nothing was committed', async (t) => {
  let runs = 0
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const add = (request: FastifyRequest) => {
        request.transaction.beforeReply(() => {
          runs++
          return { headers: { 'x-added': 'yes' } }
        })
      }
      app.post('/refused', transactional, async (request, reply) => {
        await insert(request, 1)
        add(request)
        return await reply.code(409).send({})
      })
      app.post('/throws', transactional, async (request) => {
        await insert(request, 1)
        add(request)
        throw new Error('no')
      })
      app.post('/dry', transactional, async (request) => {
        await insert(request, 1)
        add(request)
        request.transaction.setRollbackOnly()
        return {}
      })
      app.post('/rolled-back', transactional, async (request) => {
        await insert(request, 1)
        add(request)
        await request.transaction.rollback()
        return {}
      })
      app.post('/commit-fails', transactional, async (request) => {
        await request.transaction.query('insert into child values (1, 1)')
        add(request)
        return {}
      })
      app.post('/unused', transactional, async (request) => {
        add(request)
        return {}
      })
    }
  })
  for (const path of ['/refused', '/throws', '/dry', '/rolled-back', '/commit-fails', '/unused']) {
    t.equal((await send('POST', path)).headers['x-added'], undefined, path)
  }
  t.equal(runs, 0)
  t.same(await db.ids(), [])
})

test('a callback that fails is logged and changes nothing; the others run', async (t) => {
  const { lines, logger } = logLines()
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.post('/', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.beforeReply(() => {
          throw new Error('broken callback')
        })
        request.transaction.beforeReply(async () => {
          throw new Error('broken too')
        })
        request.transaction.beforeReply(() => ({ headers: { 'x-added': 'yes' } }))
        return {}
      })
    }
  })
  t.match(await send('POST', '/'), { status: 200, headers: { 'x-added': 'yes' } })
  t.equal(lines.filter(({ msg }) => msg === 'a beforeReply callback failed').length, 2)
  t.same(await db.ids(), [1])
})

test('while a callback is waited for, a second reply and a client that leaves change nothing', async (t) => {
  let { given, give } = signal()
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/twice', transactional, async (request, reply) => {
        await insert(request, 1)
        request.transaction.beforeReply(async () => {
          await given
          return { headers: { 'x-added': 'yes' } }
        })
        setTimeout(() => {
          reply.code(500).header('x-late', 'yes').send({ late: true })
          give()
        }, 50)
        return { first: true }
      })
      app.post('/left', transactional, async (request) => {
        await insert(request, 2)
        request.transaction.beforeReply(async () => {
          await given
          return undefined
        })
        return {}
      })
    }
  })
  t.match(await send('POST', '/twice'), {
    status: 200,
    headers: { 'x-added': 'yes', 'x-late': undefined },
    json: { first: true }
  })
  ;({ given, give } = signal())
  const leaving = send('POST', '/left')
  t.ok(await comesTrue(async () => (await db.ids()).length === 2), 'committed')
  leaving.abort()
  await sleep(20)
  give()
  t.same(await db.ids(), [1, 2])
})

test('a handler that runs again: only what its last run has added', async (t) => {
  let runs = 0
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/', { config: { transaction: { isolationLevel: 'serializable', retries: 2 } } }, async (request) => {
        const run = ++runs
        request.transaction.beforeReply(() => ({ headers: { [`x-run-${run}`]: 'yes' } }))
        await insert(request, run)
        if (run === 1) {
          throw Object.assign(new Error('could not serialize access'), { code: '40001', severity: 'ERROR' })
        }
        return { run }
      })
    }
  })
  t.match(await send('POST', '/'), {
    status: 200,
    headers: { 'x-run-1': undefined, 'x-run-2': 'yes' },
    json: { run: 2 }
  })
  t.same(await db.ids(), [2])
})

test('after an explicit commit, and before a stream', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const add = (request: FastifyRequest) => {
        request.transaction.beforeReply(() => ({ headers: { 'x-added': 'yes' } }))
      }
      app.post('/explicit', transactional, async (request) => {
        await insert(request, 1)
        add(request)
        await request.transaction.commit()
        return {}
      })
      app.post('/stream', transactional, async (request) => {
        await insert(request, 2)
        add(request)
        return Readable.from(['a', 'b'])
      })
    }
  })
  t.equal((await send('POST', '/explicit')).headers['x-added'], 'yes')
  t.match(await send('POST', '/stream'), { headers: { 'x-added': 'yes' }, text: 'ab' })
  t.same(await db.ids(), [1, 2])
})

test('a callback that never ends does not keep the reply beyond the deadline', async (t) => {
  const { lines, logger } = logLines()
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.post('/', { config: { transaction: { deadline: 200 } } }, async (request, reply) => {
        await insert(request, 1)
        request.transaction.beforeReply(() => ({ headers: { 'x-first': 'yes' } }))
        request.transaction.beforeReply(() => new Promise(() => {}))
        request.transaction.beforeReply(() => ({ headers: { 'x-third': 'yes' } }))
        return await reply.code(201).send({})
      })
    }
  })
  t.match(await send('POST', '/'), { status: 201, headers: { 'x-first': 'yes', 'x-third': undefined } })
  t.ok(lines.some(({ msg }) => String(msg).startsWith('a beforeReply callback did not end within the deadline')))
  t.same(await db.ids(), [1])
})

test('headers that decide how a reply is read cannot be added once it is stored', async (t) => {
  const additions: unknown[] = [
    { headers: { 'content-length': '3' } },
    { headers: { 'Transfer-Encoding': 'gzip' } },
    { headers: { trailer: 'x-sum' } },
    { headers: { 'content-encoding': 'gzip' } },
    { headers: { 'x-a': Symbol('a') } },
    { headers: { 'x-a': undefined } },
    {
      headers: {
        'x-a': {
          toString () {
            throw new Error('no text')
          }
        }
      }
    },
    { headers: null },
    null,
    'text',
    { status: '201' },
    { status: 1000 }
  ]
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      for (const [id, addition] of additions.entries()) {
        app.post(`/${id}`, transactional, async (request) => {
          await insert(request, id)
          request.transaction.beforeReply(() => addition as undefined)
          return { it: 'is' }
        })
      }
    }
  })
  for (const id of additions.keys()) {
    t.match(await send('POST', `/${id}`), { status: 200, json: { it: 'is' } }, `addition ${id}`)
  }
  t.same(await db.ids(), [...additions.keys()])
})

import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, logLines, recordStatements, signal, stage, test, transactional, until, type Database } from './harness.ts'

let db: Database
t.before(async () => { db = await database(t) })
const insert = (request: FastifyRequest, id: number) => request.transaction.query('insert into item values ($1, $2)', [id, 'a note'])

test('a reply that is no success, or never came to be, stores nothing', async (t) => {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      app.setNotFoundHandler((_request, reply) => reply.code(404).send({ nothing: 'here' }))
      app.post('/sent/:status', transactional, async (request, reply) => {
        await insert(request, 1)
        return await reply.code(Number((request.params as { status: string }).status)).send({})
      })
      app.post('/returned/:status', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(Number((request.params as { status: string }).status))
        return {}
      })
      app.post('/not-found', transactional, async (request, reply) => {
        await insert(request, 1)
        return reply.callNotFound()
      })
      app.post('/throws', transactional, async (request) => {
        await insert(request, 1)
        throw new Error('no')
      })
      app.post('/throws/:status', transactional, async (request) => {
        await insert(request, 1)
        throw Object.assign(new Error('no'), { statusCode: Number((request.params as { status: string }).status) })
      })
      app.post('/callback', transactional, (request, reply) => {
        insert(request, 1).then(() => reply.send(new Error('no')), () => {})
      })
    }
  })
  const expected: Record<string, number> = {
    '/sent/404': 404, '/sent/409': 409, '/sent/503': 503, '/returned/404': 404, '/returned/409': 409, '/returned/503': 503,
    '/not-found': 404, '/throws': 500, '/throws/418': 418, '/callback': 500
  }
  for (const [path, status] of Object.entries(expected)) {
    t.equal((await send('POST', path)).status, status, path)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
})

test('a success commits before its first byte', async (t) => {
  const events: string[] = []
  const { send, app } = await stage(t, {
    database: db,
    routes: (app, pool) => {
      recordStatements(pool, events)
      app.post('/object', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(201).header('location', '/object/1')
        return { id: 1 }
      })
      app.post('/nothing', transactional, async (request, reply) => {
        await insert(request, 2)
        return await reply.code(204).send()
      })
      app.post('/elsewhere', transactional, async (request, reply) => {
        await insert(request, 3)
        return reply.redirect('/object/3', 303)
      })
      app.post('/callback', transactional, (request, reply) => {
        insert(request, 4).then(() => reply.send('text'), () => {})
      })
      app.post('/buffer', transactional, async (request) => {
        await insert(request, 5)
        return Buffer.from('bytes')
      })
      app.post('/bytes', transactional, async (request) => {
        await insert(request, 6)
        return new Uint8Array([1, 2, 3])
      })
    }
  })
  app.server.on('connection', (socket) => {
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    Object.assign(socket, { write: (...args: unknown[]) => { events.push('byte'); return write(...args) } })
  })
  const expected: Record<string, number> = { '/object': 201, '/nothing': 204, '/elsewhere': 303, '/callback': 200, '/buffer': 200, '/bytes': 200 }
  for (const [path, status] of Object.entries(expected)) {
    events.length = 0
    t.equal((await send('POST', path)).status, status, path)
    t.same(events.slice(0, 5), ['BEGIN', 'insert into item values ($1, $2)', 'COMMIT', 'COMMIT answered', 'byte'], `${path}: order`)
  }
  t.same(await db.ids(), [1, 2, 3, 4, 5, 6])
})

test('what fails between handler and first byte rolls back', async (t) => {
  const late = async () => { await sleep(1); throw new Error('the hook failed') }
  const work = async (request: FastifyRequest) => {
    await insert(request, 1)
    return { id: 'no number' }
  }
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      const strict = { response: { 200: { type: 'object', required: ['missing'], properties: { missing: { type: 'integer' } } } } }
      app.post('/serializer', { ...transactional, schema: strict }, work)
      app.post('/pre-serialization', { ...transactional, preSerialization: late }, work)
      app.post('/on-send', { ...transactional, onSend: late }, work)
      app.post('/on-send-callback', { ...transactional, onSend: (_request, _reply, _payload, done) => { done(new Error('no')) } }, work)
      app.post('/on-send-object', { ...transactional, onSend: async () => ({ an: 'object' }) }, work)
      app.post('/header', transactional, async (request, reply) => {
        reply.header('x-note', 'two\nlines')
        return await work(request)
      })
      app.post('/header-name', transactional, async (request, reply) => {
        reply.header('x note', 'a blank in the name')
        return await work(request)
      })
      app.post('/status-message', transactional, async (request, reply) => {
        reply.raw.statusMessage = 'two\nlines'
        return await work(request)
      })
      app.post('/pre-handler', { ...transactional, preHandler: [async (request) => { await insert(request, 1) }, late] }, work)
      app.register(async (child) => {
        child.addHook('onSend', late)
        child.post('/instance-hook', transactional, work)
      })
    }
  })
  for (const path of ['/serializer', '/pre-serialization', '/on-send', '/on-send-callback', '/on-send-object', '/header', '/header-name', '/status-message', '/pre-handler', '/instance-hook']) {
    t.equal((await send('POST', path)).status, 500, path)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
})

test('the status that is sent decides', async (t) => {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      const forgiving = { ...transactional, errorHandler: (_error: unknown, _request: FastifyRequest, reply: FastifyReply) => { reply.code(200).send({ sorry: true }) } }
      app.post('/forgiven', forgiving, async (request) => {
        await insert(request, 1)
        throw new Error('forgiven by the error handler')
      })
      app.post('/unforgivable', forgiving, async (request) => {
        await insert(request, 2)
        await insert(request, 2)
      })
      app.post('/at-commit', forgiving, async (request) => {
        await insert(request, 3)
        await request.transaction.query('insert into child values (1, 99)')
        return {}
      })
      app.register(async (child) => {
        child.setNotFoundHandler((_request, reply) => { reply.code(200).send('the start page') })
        child.post('/found', transactional, async (request, reply) => {
          await insert(request, 4)
          return reply.callNotFound()
        })
      }, { prefix: '/spa' })
      app.post('/on-send-decides', { ...transactional, onSend: async (_request, reply) => { reply.code(409) } }, async (request) => {
        await insert(request, 5)
        return {}
      })
    }
  })
  t.equal((await send('POST', '/forgiven')).status, 200, 'an error handler may turn a throw into a success')
  t.same(await db.ids(), [1], 'whose work is committed')
  t.equal((await send('POST', '/unforgivable')).status, 500, 'but not when a statement had failed')
  t.equal((await send('POST', '/at-commit')).status, 500, 'nor when COMMIT failed')
  t.same(await db.ids(), [1])
  const found = await send('POST', '/spa/found')
  t.equal((await db.ids()).includes(4), found.status < 400, 'a not-found handler that answers 200 cannot lie')
  t.equal((await send('POST', '/on-send-decides')).status, 409)
  t.notOk((await db.ids()).includes(5), 'a hook that makes it an error rolls back')
})

test('a failed statement whose error was swallowed never becomes a success', async (t) => {
  const { lines, logger } = logLines()
  const { send } = await stage(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.post('/swallowed', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('insert into item values ($1, $2)', [1, 'secret value']).catch(() => {})
        return {}
      })
      app.post('/wrong-value', transactional, async (request) => {
        await request.transaction.query('select $1::integer', ['secret value']).catch(() => {})
        return {}
      })
      app.post('/floating-failure', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.query('insert into item values (1)').catch(() => {})
        return {}
      })
      app.post('/floating-first', transactional, async (request) => {
        request.transaction.query('select 1 / 0').catch(() => {})
        return {}
      })
      app.post('/floating-success', transactional, async (request) => {
        insert(request, 7).catch(() => {})
        return {}
      })
      app.post('/all', transactional, async (request) => {
        await Promise.all([insert(request, 1), request.transaction.query('select 1 / 0'), insert(request, 2)])
        return {}
      })
    }
  })
  for (const path of ['/swallowed', '/wrong-value', '/floating-failure', '/floating-first', '/all']) {
    const answer = await send('POST', path)
    t.equal(answer.status, 500, path)
    t.notMatch(answer.text, /insert into|select|secret/, `${path}: no SQL in the reply`)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
  const swallowed = lines.find((line) => /went on after a failed statement/.test(String(line['msg'])))
  t.equal(swallowed?.['statement'], 'insert into item values ($1, $2)', 'the log names the first failed statement')
  t.notMatch(JSON.stringify(lines), /secret value/, 'and no value')
  t.equal((await send('POST', '/floating-success')).status, 200)
  t.same(await db.ids(), [7], 'a statement nobody awaited is committed with the rest')
})

test('COMMIT fails: one release, and nobody else is touched', async (t) => {
  const { send, pool } = await stage(t, {
    database: db,
    pool: { max: 1 },
    routes: (app) => {
      app.post('/orphan', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('insert into child values (1, 99)')
        await sleep(20)
        return {}
      })
      app.post('/throws', transactional, async (request) => {
        await insert(request, 2)
        await sleep(20)
        await insert(request, 3)
        throw new Error('no')
      })
      app.post('/works', transactional, async (request) => {
        await insert(request, 4)
        return {}
      })
    }
  })
  t.equal((await send('POST', '/orphan')).status, 500)
  t.equal(pool.totalCount, 1, 'the connection is kept: the server has answered')
  const answers = await Promise.all([send('POST', '/orphan'), send('POST', '/throws'), send('POST', '/works')])
  t.same(answers.map(({ status }) => status), [500, 500, 200])
  t.same(await db.ids(), [4])
  t.same(await db.ids('child'), [])
})

test('serialization failures and deadlocks run the handler again', async (t) => {
  const attempts: Record<string, number[]> = {}
  const skew = { config: { transaction: { isolationLevel: 'serializable', retries: 3 } } } as const
  const met = [signal(), signal()]
  async function leave (request: FastifyRequest, reply: FastifyReply): Promise<{ left: number }> {
    const { transaction } = request
    const me = Number((request.query as { doctor: string }).doctor)
    attempts[me]?.push(transaction.attempt)
    reply.header(`x-attempt-${transaction.attempt}`, 'seen')
    const { rows } = await transaction.query<{ n: number }>('select count(*)::int as n from doctor where on_call')
    if (transaction.attempt === 1) {
      met[me]?.give()
      await met[1 - me]?.given
    }
    if (Number(rows[0]?.n) < 2) return { left: 0 }
    await transaction.query('update doctor set on_call = false where id = $1', [me])
    return { left: 1 }
  }
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      app.post('/returns', skew, async (request, reply) => {
        reply.code(201)
        return await leave(request, reply)
      })
      app.post('/sends', skew, async (request, reply) => await reply.code(201).send(await leave(request, reply)))
      app.post('/unreturned', skew, async (request, reply) => { reply.code(201).send(await leave(request, reply)) })
      app.post('/callback', skew, (request, reply) => { leave(request, reply).then((left) => reply.code(201).send(left), (error: unknown) => reply.send(error)) })
      app.post('/deadlock', { config: { transaction: { retries: 3 } } }, async (request) => {
        const me = Number((request.query as { doctor: string }).doctor)
        attempts[me]?.push(request.transaction.attempt)
        await request.transaction.query('update doctor set on_call = not on_call where id = $1', [me])
        if (request.transaction.attempt === 1) {
          met[me]?.give()
          await met[1 - me]?.given
        }
        await request.transaction.query('update doctor set on_call = not on_call where id = $1', [1 - me])
        return {}
      })
    }
  })
  async function both (path: string) {
    await db.admin.query('delete from doctor; insert into doctor values (0, true), (1, true)')
    Object.assign(attempts, { 0: [], 1: [] })
    met.splice(0, 2, signal(), signal())
    return await Promise.all([0, 1].map((doctor) => send('POST', `${path}?doctor=${doctor}`)))
  }
  for (const path of ['/returns', '/sends', '/unreturned', '/callback']) {
    const answers = await both(path)
    t.same(answers.map(({ status }) => status), [201, 201], `${path}: both succeed`)
    t.same(answers.map(({ json }) => Number(json['left'])).sort(), [0, 1], `${path}: one was let go`)
    const { rows } = await db.admin.query<{ n: number }>('select count(*)::int as n from doctor where on_call')
    t.equal(rows[0]?.n, 1, `${path}: the invariant holds`)
    const again = answers.filter(({ headers }) => headers['x-attempt-2'] === 'seen')
    t.equal(again.length, 1, `${path}: one ran twice`)
    t.equal(again[0]?.headers['x-attempt-1'], undefined, `${path}: headers of the failed attempt are gone`)
  }
  const answers = await both('/deadlock')
  t.same(answers.map(({ status }) => status), [200, 200])
  const [survivor, victim] = Object.values(attempts).map((list) => list.length).sort((a, b) => a - b)
  t.equal(survivor, 1)
  t.ok(Number(victim) > 1, 'the victim of the deadlock ran again')
})

test('retries end, and what may not run again does not', async (t) => {
  const runs: Record<string, number> = {}
  const conflict = "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$"
  const retried = (retries: number) => ({ config: { transaction: { retries } } })
  const { send, app } = await stage(t, {
    database: db,
    routes: (app) => {
      app.addHook('preHandler', async (request) => { runs[request.url] = 0 })
      const count = (request: FastifyRequest) => { runs[request.url] = (runs[request.url] ?? 0) + 1 }
      app.post('/for-ever', retried(12), async (request, reply) => {
        count(request)
        reply.code(202).header('x-of-an-attempt', 'yes')
        await insert(request, 1)
        await request.transaction.query(conflict)
      })
      app.post('/swallowed', retried(2), async (request) => {
        count(request)
        await insert(request, 1)
        if (request.transaction.attempt === 1) await request.transaction.query(conflict).catch(() => {})
        return {}
      })
      app.post('/other-error', retried(2), async (request) => {
        count(request)
        await insert(request, 2)
        await insert(request, 2)
      })
      app.post('/committed', retried(2), async (request) => {
        count(request)
        await insert(request, 10 + request.transaction.attempt)
        await request.transaction.commit()
        throw Object.assign(new Error('conflict elsewhere'), { code: '40001', severity: 'ERROR' })
      })
      app.post('/sync-value', { config: { transaction: { retries: 2 } } }, (request) => {
        count(request)
        const text = request.transaction.attempt === 1 ? "create function pg_temp.clash() returns trigger language plpgsql as 'begin raise exception ''conflict'' using errcode = ''40001''; end'; create constraint trigger clash after insert on item deferrable initially deferred for each row execute function pg_temp.clash(); insert into item values (21)" : 'select 1'
        request.transaction.query(text).catch(() => {})
        return { run: runs[request.url] }
      })
      app.post('/sent-error', retried(2), (request, reply) => {
        count(request)
        insert(request, 22).then(() => request.transaction.attempt === 1 ? request.transaction.query(conflict) : undefined)
          .then(() => reply.send({ run: runs[request.url] }), (error: unknown) => reply.send(error))
      })
      app.post('/hook-first', { ...retried(2), preHandler: async (request) => { await insert(request, 30) } }, async (request) => {
        count(request)
        if (request.transaction.attempt === 1) await request.transaction.query(conflict)
        return {}
      })
      app.post('/sync-throw', retried(2), (request, reply) => {
        count(request)
        if (request.transaction.attempt === 1) throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        insert(request, 20).then(() => reply.send({ own: true }), (error: unknown) => reply.send(error))
      })
    }
  })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => { warnings.push(warning) }
  process.on('warning', onWarning)
  const last = await send('POST', '/for-ever')
  t.equal(last.status, 500)
  t.equal(last.headers['x-of-an-attempt'], 'yes', 'the last attempt answers')
  t.equal(runs['/for-ever'], 13, 'once, and twelve times again')
  process.off('warning', onWarning)
  t.same(warnings, [], 'attempts do not pile up listeners')
  t.equal((await send('POST', '/swallowed')).status, 200)
  t.equal(runs['/swallowed'], 2, 'a swallowed conflict is one')
  t.same(await db.ids(), [1])
  t.equal((await send('POST', '/other-error')).status, 500)
  t.equal(runs['/other-error'], 1, 'a duplicate is not retried')
  t.equal((await send('POST', '/committed')).status, 500)
  t.equal(runs['/committed'], 1, 'nothing runs again after a COMMIT')
  t.same(await db.ids(), [1, 11])
  t.match(await send('POST', '/sync-throw'), { status: 200, json: { own: true } })
  t.equal(runs['/sync-throw'], 2)
  t.match(await send('POST', '/sync-value'), { status: 200, json: { run: 2 } })
  t.match(await send('POST', '/sent-error'), { status: 200, json: { run: 2 } }, 'also where the handler sends the conflict itself')
  t.equal((await send('POST', '/hook-first')).status, 500)
  t.equal(runs['/hook-first'], 1, 'a retry would not send what a hook had sent')
  t.notOk((await db.ids()).includes(30))
  t.ok(app.server.listening)
})

test('replies sent in unusual ways', async (t) => {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      const slowHook = { ...transactional, onSend: async () => { await sleep(5) } }
      for (const [name, options] of Object.entries({ plain: transactional, hook: slowHook })) {
        app.post(`/${name}/unreturned`, options, async (request, reply) => {
          await insert(request, 1)
          reply.code(201).header('x-first', 'yes').send({ first: true })
        })
        app.post(`/${name}/unreturned-orphan`, options, async (request, reply) => {
          await request.transaction.query('insert into child values (1, 99)')
          reply.code(201).send({ first: true })
        })
        app.post(`/${name}/throws-after`, options, async (request, reply) => {
          await insert(request, 2)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          throw new Error('too late')
        })
        app.post(`/${name}/throws-later`, options, async (request, reply) => {
          await insert(request, 3)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          await sleep(30)
          throw new Error('much too late')
        })
        app.post(`/${name}/throws-before-bytes`, options, async (request, reply) => {
          await insert(request, 11)
          request.transaction.beforeReply(async () => { await sleep(60); return { headers: { 'x-first': 'yes' } } })
          reply.code(201).send({ first: true })
          await sleep(30)
          throw new Error('between COMMIT and first byte')
        })
        app.post(`/${name}/sends-twice`, options, async (request, reply) => {
          await insert(request, 4)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          reply.code(404).header('x-second', 'yes').send({ second: true })
          return await reply
        })
        app.post(`/${name}/error-twice`, options, async (request, reply) => {
          await insert(request, 9)
          reply.code(409).send({ first: true })
          throw new Error('again')
        })
        app.post(`/${name}/changes-after`, options, async (request, reply) => {
          await insert(request, 10)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          reply.code(500).header('x-second', 'yes').header('x-bad', 'two\nlines')
        })
        app.post(`/${name}/writes-after`, options, async (request, reply) => {
          await insert(request, 5)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          await insert(request, 6)
        })
      }
    }
  })
  for (const [path, id] of [['unreturned', 1], ['throws-after', 2], ['throws-later', 3], ['sends-twice', 4], ['writes-after', 5], ['changes-after', 10], ['throws-before-bytes', 11]] as const) {
    await db.admin.query('truncate item')
    const answer = await send('POST', `/plain/${path}`)
    t.equal(answer.status, 201, path)
    t.equal(answer.headers['x-first'], 'yes', `${path}: its own headers`)
    t.equal(answer.headers['x-second'], undefined)
    t.same(answer.json, { first: true }, `${path}: its own body`)
    t.same(await db.ids(), [id], `${path} is committed, and nothing after it`)
    await db.admin.query('truncate item')
    const { status } = await send('POST', `/hook/${path}`)
    const stored = (await db.ids()).length > 0
    t.equal(stored, status < 400, `${path}, still in an earlier hook when the second reply came: ${status} is the truth`)
  }
  await db.admin.query('truncate item')
  for (const path of ['/plain/unreturned-orphan', '/hook/unreturned-orphan']) {
    t.equal((await send('POST', path)).status, 500, `${path}: a failed COMMIT is no success`)
  }
  for (const path of ['/plain/error-twice', '/hook/error-twice']) t.ok((await send('POST', path)).status >= 400, path)
  t.same(await db.ids(), [])
})

test('what beforeReply adds can neither deny nor break the reply', async (t) => {
  const { lines, logger } = logLines()
  const wrong = [{ status: 500 }, { status: 404 }, { status: 99 }, { headers: { 'x-bad': 'two\nlines' } }, { headers: { 'x bad': 'a blank' } }]
  const { send } = await stage(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      for (const [id, addition] of wrong.entries()) {
        app.post(`/${id}`, transactional, async (request, reply) => {
          await insert(request, id)
          request.transaction.beforeReply(() => addition)
          request.transaction.beforeReply(() => ({ headers: { 'x-good': 'yes' } }))
          reply.code(202)
          return {}
        })
      }
    }
  })
  for (const id of wrong.keys()) t.match(await send('POST', `/${id}`), { status: 202, headers: { 'x-good': 'yes', 'x-bad': undefined } })
  t.same(await db.ids(), [...wrong.keys()])
  t.equal(lines.filter((line) => line['msg'] === 'a beforeReply callback failed').length, wrong.length)
})

test('an error that Fastify writes past every hook cannot overtake a COMMIT', async (t) => {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      const failing = { ...transactional, onSend: async (_request: FastifyRequest, reply: FastifyReply) => { if (reply.statusCode >= 400) throw new Error('the hook fails for errors') } }
      app.post('/committing', failing, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.query('insert into slow values (1, 150)')
        reply.code(201).header('x-first', 'yes').send({ first: true })
        await sleep(50)
        throw new Error('while COMMIT runs')
      })
      app.post('/open', failing, async (request) => {
        await insert(request, 2)
        throw new Error('before any reply')
      })
    }
  })
  t.match(await send('POST', '/committing'), { status: 201, headers: { 'x-first': 'yes' }, json: { first: true } })
  t.same(await db.ids(), [1])
  t.equal((await send('POST', '/open')).status, 500, 'where nothing is committed it is written')
  t.same(await db.ids(), [1])
})

test('the handler may settle by itself', async (t) => {
  let commitError: unknown
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      app.post('/commit', transactional, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.commit()
        reply.code(409)
        return { state: request.transaction.state }
      })
      app.post('/rollback', transactional, async (request) => {
        await insert(request, 2)
        await request.transaction.rollback()
        return { state: request.transaction.state }
      })
      app.post('/dry-run', transactional, async (request) => {
        await insert(request, 3)
        request.transaction.setRollbackOnly()
        request.transaction.afterCommit(() => { t.fail('runs after a rollback') })
        return { state: request.transaction.state }
      })
      app.post('/dry-commit', transactional, async (request) => {
        await insert(request, 4)
        request.transaction.setRollbackOnly()
        await request.transaction.commit()
        return { state: request.transaction.state }
      })
      app.post('/failed-commit', transactional, async (request) => {
        await request.transaction.query('insert into child values (1, 99)')
        await request.transaction.commit().catch(() => {})
        return {}
      })
      app.post('/rollback-commit', transactional, async (request) => {
        await insert(request, 4)
        await request.transaction.rollback()
        await request.transaction.commit()
      })
      app.post('/too-late-to-commit', { config: { transaction: { deadline: 20 } } }, async (request) => {
        await insert(request, 4).catch(() => {})
        await until(() => request.transaction.state === 'rolled back')
        commitError = await request.transaction.commit().catch((thrown: unknown) => thrown)
      })
      app.post('/late', transactional, async (request) => {
        await insert(request, 5)
        await request.transaction.commit()
        await insert(request, 6)
      })
      app.post('/late-callback', transactional, async (request) => {
        await request.transaction.commit()
        request.transaction.afterCommit(() => {})
      })
      app.post('/without', async (request) => request.transaction.state)
      app.post('/tx-control', transactional, async (request) => {
        const refused = []
        for (const text of ['COMMIT', ' rollback', '-- so\nbegin', '/* x */;end', 'start transaction', 'abort', "prepare transaction 'x'", 'Commit and chain']) {
          const error = await request.transaction.query(text).catch((thrown: Error) => thrown)
          refused.push(error instanceof Error && 'code' in error && error.code === 'TX_USAGE')
        }
        await request.transaction.query('savepoint one')
        await request.transaction.query('select 1 / 0').catch(() => {})
        await request.transaction.query('rollback to savepoint one')
        await request.transaction.query('rollback work to one')
        await request.transaction.query('release savepoint one')
        await insert(request, 7)
        return { refused: refused.filter(Boolean).length }
      })
    }
  })
  t.match(await send('POST', '/commit'), { status: 409, json: { state: 'committed' } })
  t.same(await db.ids(), [1], 'an explicit commit stands whatever follows')
  t.match(await send('POST', '/rollback'), { status: 200, json: { state: 'rolled back' } })
  t.match(await send('POST', '/dry-run'), { status: 200, json: { state: 'open' } })
  t.match(await send('POST', '/dry-commit'), { status: 200, json: { state: 'rolled back' } })
  t.equal((await send('POST', '/failed-commit')).status, 500, 'a failed commit() that was swallowed is no success')
  t.same(await db.ids(), [1])
  t.match(await send('POST', '/rollback-commit'), { status: 500, json: { code: 'TX_CLOSED' } }, 'commit() does not pretend')
  t.match(await send('POST', '/too-late-to-commit'), { status: 504, json: { code: 'TX_TIMEOUT' } })
  t.ok(await until(() => commitError !== undefined))
  t.match(commitError, { code: 'TX_TIMEOUT' }, 'it tells the handler why')
  t.match(await send('POST', '/late'), { status: 500, json: { code: 'TX_CLOSED', message: /POST \/late req-\S+ is committed/ } })
  t.same(await db.ids(), [1, 5])
  t.match(await send('POST', '/late-callback'), { status: 500, json: { code: 'TX_CLOSED' } })
  t.match(await send('POST', '/without'), { status: 500, json: { message: 'POST /without has no transaction: declare config: { transaction: true } on the route' } })
  t.match(await send('POST', '/tx-control'), { status: 200, json: { refused: 8 } })
  t.same(await db.ids(), [1, 5, 7], 'savepoints are allowed')
})

test('a statement that hides transaction control is detected', async (t) => {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      for (const [path, text] of Object.entries({
        '/commit': 'select 1; commit',
        '/commit-begin': 'select 1; commit; begin',
        '/rollback-chain': 'insert into item values (99); rollback and chain; select 1'
      })) {
        app.post(path, transactional, async (request) => {
          await request.transaction.query(text)
          return {}
        })
        app.post(`${path}/swallowed`, transactional, async (request) => {
          await request.transaction.query(text).catch(() => {})
          await insert(request, 2).catch(() => {})
          return {}
        })
      }
      app.post('/commit-fails', transactional, async (request) => {
        await request.transaction.query('select 1; commit; select 1 / 0').catch(() => {})
        await insert(request, 2).catch(() => {})
        return {}
      })
      app.post('/commit-fails-last', transactional, async (request) => {
        await request.transaction.query('select 1; commit; select 1 / 0').catch(() => {})
        return {}
      })
      app.post('/harmless', transactional, async (request) => {
        await request.transaction.query("savepoint one; insert into item values (3, 'commit; begin'); rollback to one; insert into item values (4)")
        return {}
      })
    }
  })
  for (const path of ['/commit', '/commit-begin', '/rollback-chain']) {
    t.match(await send('POST', path), { status: 500, json: { code: 'TX_USAGE' } }, path)
    t.match(await send('POST', `${path}/swallowed`), { status: 500, json: { code: 'TX_USAGE' } }, `${path}, swallowed`)
    t.same(await db.ids(), [], 'nothing after it runs outside a transaction')
  }
  t.equal((await send('POST', '/commit-fails')).status, 500)
  t.match(await send('POST', '/commit-fails-last'), { status: 500, json: { code: 'TX_USAGE' } })
  t.same(await db.ids(), [], 'also where the text fails after its COMMIT')
  t.equal((await send('POST', '/harmless')).status, 200)
  t.same(await db.ids(), [4])
})

test('hijack and raw replies are refused while the transaction is open', async (t) => {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      app.post('/hijack', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.hijack()
      })
      for (const method of ['writeHead', 'write', 'end'] as const) {
        app.post(`/raw/${method}`, transactional, async (request, reply) => {
          await insert(request, 1)
          if (method === 'writeHead') reply.raw.writeHead(200)
          else reply.raw[method]('bytes')
        })
      }
      app.post('/raw-error', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.raw.writeHead(418)
        reply.raw.end('teapot')
        return await reply
      })
      app.post('/second-attempt', { config: { transaction: { retries: 1 } } }, async (request, reply) => {
        await insert(request, 1)
        if (request.transaction.attempt === 1) throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        reply.raw.end('bytes')
      })
      app.post('/after-commit', transactional, async (request, reply) => {
        await insert(request, 2)
        await request.transaction.commit()
        reply.hijack()
        reply.raw.writeHead(202)
        reply.raw.end('by hand')
      })
      app.post('/after-commit-without-hijack', transactional, async (request, reply) => {
        await insert(request, 4)
        await request.transaction.commit()
        reply.raw.writeHead(202)
        return { second: true }
      })
      app.post('/before', transactional, async (_request, reply) => {
        reply.hijack()
        reply.raw.end('no transaction was opened')
      })
      app.post('/begun-before', transactional, async (request, reply) => {
        reply.raw.writeHead(200)
        await insert(request, 3).catch(() => {})
        reply.raw.end('too late to promise anything')
        return await reply
      })
    }
  })
  for (const path of ['/hijack', '/raw/writeHead', '/raw/write', '/raw/end', '/second-attempt']) {
    t.match(await send('POST', path), { status: 500, json: { code: 'TX_USAGE' } }, path)
  }
  t.match(await send('POST', '/raw-error'), { status: 418, text: 'teapot' }, 'an error may be written by hand')
  t.same(await db.ids(), [])
  t.match(await send('POST', '/after-commit'), { status: 202, text: 'by hand' })
  t.same(await db.ids(), [2])
  await t.rejects(send('POST', '/after-commit-without-hijack'), { code: 'ECONNRESET' }, 'two replies break the connection, not the process')
  t.same(await db.ids(), [2, 4])
  t.equal((await send('POST', '/before')).status, 200)
  t.equal((await send('POST', '/begun-before')).status, 200)
  t.same(await db.ids(), [2, 4], 'a reply that has begun lets no transaction begin')
})

test('no connection is taken without a statement', async (t) => {
  const { send, pool } = await stage(t, {
    database: db,
    routes: (app) => {
      const body = { body: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } } }
      app.post('/quiet', transactional, async (request) => {
        request.transaction.afterCommit(() => {})
        return { state: request.transaction.state }
      })
      app.post('/refused', { ...transactional, onRequest: async (_request, reply) => await reply.code(401).send({}) }, async (request) => await insert(request, 1))
      app.post('/invalid', { ...transactional, schema: body }, async (request) => await insert(request, 1))
      app.post('/forbidden', { ...transactional, preHandler: async (_request, reply) => await reply.code(403).send({}) }, async (request) => await insert(request, 1))
      app.post('/upload', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
    }
  })
  t.match(await send('POST', '/quiet'), { status: 200, json: { state: 'idle' } })
  t.equal((await send('POST', '/refused')).status, 401)
  t.equal((await send('POST', '/invalid', {})).status, 400)
  t.equal((await send('POST', '/forbidden')).status, 403)
  t.equal((await send('GET', '/nowhere')).status, 404)
  t.equal(pool.totalCount, 0, 'the pool was never asked')
})

test('an exhausted pool is 503 and says when to come back', async (t) => {
  const free = signal()
  const { send, pool } = await stage(t, {
    database: db,
    pool: { max: 1 },
    plugin: (pool) => ({ pool, retryAfter: 7 }),
    routes: (app) => {
      app.post('/holds', transactional, async (request) => {
        await insert(request, 1)
        await free.given
        return {}
      })
      app.post('/waits', transactional, async (request) => await insert(request, 2))
      app.post('/swallows', transactional, async (request) => {
        await insert(request, 2).catch(() => {})
        return {}
      })
      app.post('/waits-longer', { config: { transaction: { deadline: 2000 } } }, async (request) => await insert(request, 3))
    }
  })
  // Short for those who wait; opening the connection may take longer.
  await pool.query('select 1')
  pool.options.connectionTimeoutMillis = 100
  const holder = send('POST', '/holds')
  await until(async () => pool.totalCount === 1 && pool.idleCount === 0)
  t.match(await send('POST', '/waits'), { status: 503, headers: { 'retry-after': '7' }, json: { code: 'TX_POOL_TIMEOUT' } })
  t.match(await send('POST', '/swallows'), { status: 503, json: { code: 'TX_POOL_TIMEOUT' } }, 'also when the handler swallows it')
  free.give()
  t.equal((await holder).status, 200)
  t.same(await db.ids(), [1])
})

test('a second checkout inside a transaction is refused', async (t) => {
  const { send } = await stage(t, {
    database: db,
    pool: { max: 1 },
    routes: (app, pool) => {
      app.post('/query', transactional, async (request) => {
        await insert(request, 1)
        await pool.query('select 1')
      })
      app.post('/connect', transactional, async (request) => {
        await insert(request, 1)
        await pool.connect()
      })
      app.post('/callback', transactional, (request, reply) => {
        insert(request, 1).then(() => { pool.connect((error) => { reply.send(error) }) }, () => {})
      })
      app.post('/nested', transactional, async (request) => {
        await insert(request, 1)
        await app.transaction(async (inner) => { await inner.query('select 1') })
      })
      app.post('/within', transactional, async (request) => {
        await app.transaction(async (outer) => {
          await outer.query('select 1')
          await insert(request, 1)
        })
      })
      app.post('/before', transactional, async (request) => {
        const { rows } = await pool.query<{ n: number }>('select 1 as n')
        await app.transaction(async (inner) => { await inner.query('select 1') })
        await insert(request, 2)
        return rows[0]
      })
    }
  })
  for (const path of ['/query', '/connect', '/callback', '/nested', '/within']) {
    t.match(await send('POST', path), { status: 500, json: { code: 'TX_USAGE' } }, path)
  }
  t.match(await send('POST', '/before'), { status: 200, json: { n: 1 } }, 'before the first statement the pool is free')
  t.same(await db.ids(), [2])
})

test('after-commit callbacks', async (t) => {
  const { lines, logger } = logLines()
  const events: string[] = []
  const slow = signal()
  const { send, app, pool } = await stage(t, {
    database: db,
    fastify: { logger },
    routes: (app, pool) => {
      app.post('/three', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.afterCommit(async () => {
          const { rows } = await pool.query('select 1 from item')
          events.push(`first sees ${rows.length}`)
        })
        request.transaction.afterCommit(() => { throw new Error('the second callback failed') })
        request.transaction.afterCommit(() => { events.push(`third, ${request.transaction.state}`) })
        return {}
      })
      app.post('/conflict', transactional, async (request, reply) => {
        await insert(request, 2)
        request.transaction.afterCommit(() => { events.push('after a rollback') })
        return await reply.code(409).send({})
      })
      app.post('/orphan', transactional, async (request) => {
        await request.transaction.query('insert into child values (1, 99)')
        request.transaction.afterCommit(() => { events.push('after a failed COMMIT') })
        return {}
      })
      app.post('/slow', transactional, async (request) => {
        await insert(request, 3)
        request.transaction.afterCommit(async () => {
          await slow.given
          await pool.query('select 1')
          events.push('slow one')
        })
        return {}
      })
    }
  })
  t.equal((await send('POST', '/three')).status, 200)
  await until(() => events.length === 2)
  t.same(events, ['first sees 1', 'third, committed'], 'in order, after the COMMIT, whatever one of them does')
  t.ok(lines.some((line) => line['msg'] === 'an after-commit callback failed'))
  t.equal((await send('POST', '/conflict')).status, 409)
  t.equal((await send('POST', '/orphan')).status, 500)
  t.equal((await send('POST', '/slow')).status, 200, 'the reply does not wait')
  const closing = app.close()
  setTimeout(slow.give, 50)
  await closing
  t.same(events.slice(2), ['slow one'], 'closing waits; nothing ran after a rollback')
  t.equal(pool.ending, false, 'the plugin never ends a pool it was given')
})

test('the log line of the request tells about its transaction', async (t) => {
  const { lines, logger } = logLines()
  const { send, pool } = await stage(t, {
    database: db,
    fastify: { logger },
    pool: { max: 1 },
    routes: (app) => {
      app.post('/two', transactional, async (request) => {
        await insert(request, 1)
        await insert(request, 2)
        return {}
      })
      app.post('/no', { config: { transaction: { retries: 1 } } }, async (request, reply) => {
        await insert(request, 3)
        if (request.transaction.attempt === 1) throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        return await reply.code(409).send({})
      })
      app.post('/quiet', transactional, async () => ({}))
      app.post('/starved', transactional, async (request) => await insert(request, 4))
    }
  })
  const completed = () => lines.filter((line) => line['msg'] === 'request completed').at(-1)?.['transaction']
  await send('POST', '/two')
  t.match(completed(), { store: 'sql', outcome: 'committed', attempts: 1, statements: 2, milliseconds: Number })
  await send('POST', '/no')
  t.match(completed(), { outcome: 'rolled back', attempts: 2, statements: 1 })
  await send('POST', '/quiet')
  t.equal(completed(), undefined, 'no statement, nothing to tell')
  const holder = await pool.connect()
  pool.options.connectionTimeoutMillis = 50
  await send('POST', '/starved')
  t.match(completed(), { outcome: 'failed', statements: 0 }, 'a transaction that could not begin is told too')
  holder.release()
})

// A transaction that lost against another one runs its handler again.
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, signal, setup, test, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
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
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/returns', skew, async (request, reply) => {
        reply.code(201)
        return await leave(request, reply)
      })
      app.post('/sends', skew, async (request, reply) => await reply.code(201).send(await leave(request, reply)))
      app.post('/unreturned', skew, async (request, reply) => {
        reply.code(201).send(await leave(request, reply))
      })
      app.post('/callback', skew, (request, reply) => {
        leave(request, reply).then((left) => reply.code(201).send(left), (error: unknown) => reply.send(error))
      })
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
  const { send, app } = await setup(t, {
    database: db,
    routes: (app) => {
      app.addHook('preHandler', async (request) => {
        runs[request.url] = 0
      })
      const count = (request: FastifyRequest) => {
        runs[request.url] = (runs[request.url] ?? 0) + 1
      }
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
        const text = request.transaction.attempt === 1
          ? "create function pg_temp.clash() returns trigger language plpgsql as 'begin raise exception ''conflict'' using errcode = ''40001''; end'; create constraint trigger clash after insert on item deferrable initially deferred for each row execute function pg_temp.clash(); insert into item values (21)"
          : 'select 1'
        request.transaction.query(text).catch(() => {})
        return { run: runs[request.url] }
      })
      app.post('/sent-error', retried(2), (request, reply) => {
        count(request)
        insert(request, 22).then(() =>
          request.transaction.attempt === 1 ? request.transaction.query(conflict) : undefined
        )
          .then(() => reply.send({ run: runs[request.url] }), (error: unknown) => reply.send(error))
      })
      app.post('/hook-first', {
        ...retried(2),
        preHandler: async (request) => {
          await insert(request, 30)
        }
      }, async (request) => {
        count(request)
        if (request.transaction.attempt === 1) await request.transaction.query(conflict)
        return {}
      })
      app.post('/sync-throw', retried(2), (request, reply) => {
        count(request)
        if (request.transaction.attempt === 1) {
          throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        }
        insert(request, 20).then(() => reply.send({ own: true }), (error: unknown) => reply.send(error))
      })
    }
  })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => {
    warnings.push(warning)
  }
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
  t.match(
    await send('POST', '/sent-error'),
    { status: 200, json: { run: 2 } },
    'also where the handler sends the conflict itself'
  )
  t.equal((await send('POST', '/hook-first')).status, 500)
  t.equal(runs['/hook-first'], 1, 'a retry would not send what a hook had sent')
  t.notOk((await db.ids()).includes(30))
  t.ok(app.server.listening)
})

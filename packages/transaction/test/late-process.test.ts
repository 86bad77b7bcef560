// A process that was busy for a while: what had arrived meanwhile counts, however late it is read.
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import QueryStream from 'pg-query-stream'
import t from 'tap'
import { afterTime, Patience, withTimeout } from '../src/core/with-timeout.ts'
import { database, signal, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

/** Keeps the event loop busy, as a large JSON document does. */
function beBusy (milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

t.test('an answer that has arrived wins over a timer that fires late', async (t) => {
  for (const busy of [30, 300]) {
    const client = new pg.Client({ connectionString: db.url, application_name: 'test' })
    await client.connect()
    const answer = withTimeout(10, client.query('select 1 as n'), 'late')
    beBusy(busy)
    t.match(await answer, { rows: [{ n: 1 }] }, `busy for ${busy} ms`)
    await client.end()
  }
})

t.test('an answer that takes several turns wins as well', async (t) => {
  const client = new pg.Client({ connectionString: db.url, application_name: 'test' })
  await client.connect()
  const several = async () => {
    for (let turn = 0; turn < 5; turn++) await client.query('select 1')
    return 'answered'
  }
  const answer = withTimeout(20, several(), 'late')
  beBusy(400)
  t.equal(await answer, 'answered', 'a timer that is late waits once more for as long as it was late')
  await client.end()
})

t.test('silence is still judged, and a wait can be called off', async (t) => {
  const silence = withTimeout(10, new Promise(() => {}), 'late')
  beBusy(100)
  await t.rejects(silence, { message: 'late' })
  const { stop } = afterTime(1, () => {
    t.fail('was called off')
  })
  const judged = signal()
  const other = afterTime(1, () => {
    other.stop()
    judged.give()
  })
  beBusy(60)
  setImmediate(stop)
  stop()
  await judged.given
  await sleep(5)
})

t.test('patience: a busy process gets as much again as it was late, once', async (t) => {
  const patience = new Patience(50)
  t.equal(patience.isOver, false)
  beBusy(150)
  t.equal(patience.isOver, false)
  beBusy(150)
  t.equal(patience.isOver, true)
  const idle = new Patience(10)
  await sleep(200)
  t.equal(idle.isOver, true, 'one that only waited does not')
  t.equal(new Patience(0).isOver, true)
})

test('BEGIN, COMMIT and the deadline of a process that was busy', async (t) => {
  const { app, send } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, beginTimeout: 100, commitTimeout: 100, checkoutTimeout: 200 }),
    routes: (app, pool) => {
      app.post('/', { config: { transaction: { deadline: 400 } } }, async (request) => {
        await insert(request, 1)
        beBusy(300)
        setImmediate(beBusy, 500)
        return {}
      })
      app.post('/begin', transactional, async (request) => {
        const inserted = insert(request, 2)
        await comesTrue(() => request.transaction.state === 'opening')
        beBusy(600)
        await inserted
        return {}
      })
      app.post('/job', async () => {
        await app.transaction(async (transaction) => {
          await transaction.query('insert into item values (3)')
          const committed = transaction.commit()
          setImmediate(beBusy, 500)
          await committed
        })
        return { total: pool.totalCount }
      })
    }
  })
  t.equal((await send('POST', '/')).status, 200)
  t.equal((await send('POST', '/begin')).status, 200)
  t.equal((await send('POST', '/job')).status, 200)
  t.same(await db.ids(), [1, 2, 3])
  t.ok(app.server.listening)
})

test('a body that has arrived is not late because the process was', async (t) => {
  const { origin } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, bodyTimeout: 250 }),
    routes: (app) => {
      app.addHook('onRequest', async function lookUp (request) {
        if (request.url !== '/late') return
        await request.transaction.query('select 1')
        socket.write('"b"}')
        beBusy(800)
      })
      app.post('/late', transactional, async (request) => {
        await insert(request, 1)
        return request.body
      })
    }
  })
  const { port } = new URL(origin)
  const socket = connect(Number(port), '127.0.0.1')
  socket.setEncoding('utf8')
  let answer = ''
  socket.on('data', (text: string) => {
    answer += text
  })
  socket.write('POST /late HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n')
  socket.write('content-length: 9\r\n\r\n{"a":')
  await once(socket, 'close')
  t.match(answer, /^HTTP\/1\.1 200 OK/)
  t.same(await db.ids(), [1])
})

test('a statement that takes longer than streamIdleTimeout is no idle stream', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const options = {
        config: { transaction: { stream: true, accessMode: 'read only', streamIdleTimeout: 100 } }
      } as const
      app.get('/slow', options, async (request) => {
        await request.transaction.query('select pg_sleep(0.6)')
        return { slow: true }
      })
      app.get(
        '/slow-cursor',
        options,
        async (request) =>
          await request.transaction.query(new QueryStream("select 'a' from pg_sleep(0.6)", [], { rowMode: 'array' }))
      )
      app.get('/idle', options, async (request) => {
        await request.transaction.query('select 1')
        return await new Promise(() => {})
      })
    }
  })
  t.match(await send('GET', '/slow'), { status: 200, json: { slow: true } })
  t.match(await send('GET', '/slow-cursor'), { status: 500, json: { message: /made of objects/ } }, 'was read')
  t.match(await send('GET', '/idle'), { status: 504, json: { code: 'TX_TIMEOUT' } })
})

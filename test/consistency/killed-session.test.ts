// Sessions that PostgreSQL ends as soon as they have begun, or that fall silent: the work fails, and the process lives.
import type { AddressInfo, Socket } from 'node:net'
import pg from 'pg'
import t, { type Test } from 'tap'
import * as streams from 'fastify-change-stream'
import * as outbox from 'fastify-outbox'
import { listenOn } from '../process.ts'

function message (type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + body.length)
  return Buffer.concat([Buffer.from(type), length, body])
}

const authenticated = message('R', Buffer.alloc(4))
const ready = message('Z', Buffer.from('I'))
const killed = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')
)

/** A pool whose server tells in one packet that a session has begun and that it was killed. */
async function dyingPool (t: Test): Promise<pg.Pool> {
  return await createPool(t, (socket) => {
    socket.end(Buffer.concat([authenticated, ready, killed]))
  })
}

/** A pool whose server begins a session and never answers again. */
async function silentPool (t: Test): Promise<pg.Pool> {
  return await createPool(t, (socket) => {
    socket.write(Buffer.concat([authenticated, ready]))
  })
}

async function createPool (t: Test, welcome: (socket: Socket) => void): Promise<pg.Pool> {
  const server = await listenOn(0, (socket) => {
    socket.on('error', () => {}).once('data', () => {
      welcome(socket)
    })
  })
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    user: 'nobody',
    ssl: false,
    query_timeout: 100
  })
  pool.on('error', () => {})
  t.teardown(async () => {
    await pool.end()
    server.close()
  })
  return pool
}

const lost = { message: /terminat|not queryable/ }

const silence = { message: 'Query read timeout' }
const claim = { topic: 'things', ordered: false, limit: 1, timeout: 1000 }

t.test('the outbox', async (t) => {
  const pool = await dyingPool(t)
  await t.rejects(outbox.postgresStore(pool).work(claim, async () => ({ done: [], failed: [] })), lost)
  t.equal(pool.totalCount, 0, 'the session is not kept')
})

t.test('a change stream', async (t) => {
  const pool = await dyingPool(t)
  await t.rejects(streams.postgresStore(pool).transaction(1000, async () => {}), lost)
  t.equal(pool.totalCount, 0, 'the session is not kept')
})

t.test('a silent session is not used again', async (t) => {
  const pool = await silentPool(t)
  await t.rejects(outbox.postgresStore(pool).work(claim, async () => ({ done: [], failed: [] })), silence)
  t.equal(pool.totalCount, 0)
  await t.rejects(streams.postgresStore(pool).transaction(1000, async () => {}), silence)
  t.equal(pool.totalCount, 0)
})

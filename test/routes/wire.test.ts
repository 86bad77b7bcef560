import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { Long, type CommandStartedEvent } from 'mongodb'
import t, { type Test } from 'tap'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import type { User } from '../../schemas/users.ts'
import { build, databases } from '../helper.ts'

/**
 * Passes bytes on to PostgreSQL and notes what the client asks for: one entry for each time it waits for the server.
 */
class Wiretap {
  exchanges: string[] = []
  readonly url: string
  readonly #sockets: Socket[]

  private constructor (url: string, sockets: Socket[]) {
    this.url = url
    this.#sockets = sockets
  }

  static async open (t: Test, target: string): Promise<Wiretap> {
    const { hostname, port } = new URL(target)
    const sockets: Socket[] = []
    const server = createServer((client) => {
      const upstream = connect(Number(port), hostname)
      sockets.push(client, upstream)
      client.pipe(upstream).pipe(client)
      const read = reader((entry) => {
        tap.exchanges.push(entry)
      })
      client.on('data', read)
      for (const socket of [client, upstream]) socket.on('error', () => {})
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    t.teardown(() => {
      tap.close()
      server.close()
    })
    const url = new URL(target)
    url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const tap = new Wiretap(url.href, sockets)
    return tap
  }

  close (): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** What one piece of work asked for, without what runs beside it. */
  async during (work: () => Promise<unknown>): Promise<string[]> {
    this.exchanges = []
    await work()
    return this.exchanges.filter((entry) => !/outbox|change_streams|migrations/.test(entry)).map((entry) =>
      entry.replace(/;.*/s, '')
    )
  }
}

/** Splits the frontend protocol into messages: `Parse` where a statement is parsed, its name where it is run. */
function reader (note: (entry: string) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  let isStarted = false
  let isBeside = false
  let current: string[] = []
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const header = isStarted ? 1 : 0 // the first message has no type
      if (rest.length < header + 4) return
      const length = header + rest.readInt32BE(header)
      if (rest.length < length) return
      const type = isStarted ? String.fromCharCode(rest[0] ?? 0) : 'startup'
      const body = rest.subarray(header + 4, length)
      rest = rest.subarray(length)
      isStarted = true
      // What runs beside requests has connections of its own, under names of its own.
      if (type === 'startup') isBeside = !body.includes('application_name\0tandem\0')
      if (isBeside) continue
      if (type === 'Q') note(textAt(body, 0))
      if (type === 'P') current.push('Parse')
      if (type === 'B') current.push(textAt(body, body.indexOf(0) + 1))
      if (type === 'H') note(describeBegin(current))
      if (type === 'S') note(current.join(' '))
      if (type === 'H' || type === 'S') {
        current = []
      }
    }
  }
}

/** What is flushed before the first statement is BEGIN with its settings, the last of which has the request's id. */
function describeBegin (messages: string[]): string {
  const run = messages.filter((message) => message !== 'Parse')
  const parsed = messages.length - run.length
  return `${run[0] ?? ''}, ${parsed === run.length ? 'all' : parsed} parsed`
}

function textAt (bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at, bytes.indexOf(0, at))
}

const item = { product: 'p', quantity: 1, unit_price: '1.00' }

t.test('a request asks PostgreSQL as often as it must, and parses nothing twice', async (t) => {
  const { databaseUrl } = await databases(t)
  const tap = await Wiretap.open(t, databaseUrl)
  const app = await build(t, {
    settings: {
      DATABASE_URL: tap.url,
      PROJECTIONS: false,
      DATABASE_PRE_PING: false,
      DATABASE_POOL_SIZE: 1,
      DATABASE_MAX_OVERFLOW: 0
    }
  })
  let count = 0
  const addUser = () =>
    app.inject({ method: 'POST', url: '/users', payload: { email: `${++count}@example.com`, name: 'n' } })
  const addOrder = (length: number) =>
    app.inject({ method: 'POST', url: '/orders', payload: { user_id: id, items: Array.from({ length }, () => item) } })

  t.strictSame(
    await tap.during(addUser),
    ['BEGIN, all parsed', 'Parse users_create', 'COMMIT'],
    'the first time a statement is parsed'
  )
  const { id } = (await addUser()).json<User>()
  for (const length of [1, 40]) await addOrder(length)
  for (const url of [`/users/${id}`, '/users', '/orders', '/user-analytics', '/orders/1']) await app.inject({ url })

  t.strictSame(await tap.during(() => app.inject({ url: `/users/${id}` })), ['users_by_id'])
  t.strictSame(await tap.during(addUser), ['BEGIN, 1 parsed', 'users_create', 'COMMIT'])
  t.strictSame(await tap.during(() => addOrder(1)), [
    'BEGIN, 1 parsed',
    'orders_create',
    'orders_add_items_1',
    'COMMIT'
  ])
  t.strictSame(await tap.during(() => addOrder(40)), [
    'BEGIN, 1 parsed',
    'orders_create',
    'orders_add_items_40',
    'COMMIT'
  ])
  t.strictSame(await tap.during(() => app.inject({ url: '/users?limit=100' })), ['users_list'])
  t.strictSame(await tap.during(() => app.inject({ url: '/orders' })), ['orders_list'])
  t.strictSame(await tap.during(() => app.inject({ url: '/orders/1' })), ['orders_by_id'])
  t.strictSame(await tap.during(() => app.inject({ url: '/user-analytics' })), ['user_analytics_list'])
})

for (const { pipeline, expected } of [{ pipeline: true, expected: 2 }, { pipeline: false, expected: 3 }]) {
  t.test(`DATABASE_PIPELINE=${pipeline}: a write of one statement is written to PostgreSQL in ${expected} pieces`, async (t) => {
    const app = await build(t, {
      settings: { DATABASE_PIPELINE: pipeline, PROJECTIONS: false, DATABASE_POOL_SIZE: 1, DATABASE_MAX_OVERFLOW: 0 }
    })
    const client = await app.pg.pool.connect()
    client.release()
    const writes = countWrites(client.connection.stream)
    await app.inject({ method: 'POST', url: '/users', payload: { email: 'a@example.com', name: 'n' } })
    t.equal(writes(), expected)
  })
}

/** Counts what a stream hands to the system, in one piece or several. */
function countWrites (stream: Writable): () => number {
  let count = 0
  const { _write, _writev } = stream
  stream._write = (...args) => {
    count++
    Reflect.apply(_write, stream, args)
  }
  if (_writev) {
    stream._writev = (...args) => {
      count++
      Reflect.apply(_writev, stream, args)
    }
  }
  return () => count
}

t.test('a list is one command to MongoDB, a page of summaries two', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false, DATABASE_ECHO: true } })
  const author_id =
    (await app.inject({ method: 'POST', url: '/users', payload: { email: 'a@example.com', name: 'n' } })).json<User>()
      .id
  for (let n = 0; n < 3; n++) {
    await app.inject({ method: 'POST', url: '/posts', payload: { title: 't', content: 'c', category: 'k', author_id } })
  }
  await mongoDatabase(app).collection<{ _id: number }>('users').insertMany(
    [7, 8, 9].map((_id) => ({ _id, name: 'n', email: `${_id}@example.com`, _v: Long.fromNumber(_id) }))
  )
  const commands: string[] = []
  const quiet = /^(hello|ping|isMaster|endSessions|killSessions|currentOp|getMore)$/
  app.mongo.client.on('commandStarted', ({ commandName, command }: CommandStartedEvent) => {
    const isOfTheService = 'find' in command || command.aggregate === 'users' || command.aggregate === 'posts'
    if (!quiet.test(commandName) && isOfTheService) commands.push(commandName)
  })
  for (
    const [url, expected] of [
      ['/posts', ['find']],
      ['/posts/summaries', ['find']],
      ['/posts/by-category/k', ['find']],
      ['/users/summary', ['find', 'aggregate']],
      [`/posts/${'f'.repeat(24)}`, ['find']]
    ] as const
  ) {
    const pages = url.endsWith('ffff') ? [''] : ['', '?limit=2']
    for (const page of pages) { // a whole list, and a page that another follows
      commands.length = 0
      const { statusCode } = await app.inject({ url: url + page })
      t.strictSame(commands, expected, `${url}${page}: ${statusCode}`)
    }
  }
})

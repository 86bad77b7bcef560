import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import path from 'node:path'
import type { Test } from 'tap'
import { newFolder } from '../folder.ts'
import { until } from '../until.ts'
import type { Running } from './running.ts'

/** How an example is tried; without `play` it takes two notes or none. */
export interface Recipe {
  /** Settings that it needs. */
  prepare?: (t: Test) => object | Promise<object>
  play?: (t: Test, app: Running, notes: () => Promise<string[]>) => Promise<void>
}

let uploads = ''

/** By the name of the example. */
export const recipes: Record<string, Recipe> = {
  kysely: {},
  knex: {},
  typeorm: {
    async play (t, { send }, notes) {
      t.equal((await send('POST', '/notes', { first: 'one' })).status, 409)
      t.same(await notes(), [], 'what was answered with 409 is not there')
      t.same(await send('POST', '/notes', { first: 'one', second: 'two' }), { status: 201, body: { stored: 2 } })
      t.same(await notes(), ['one', 'two'], 'and nothing of a savepoint that was rolled back')
      t.same((await send('GET', '/notes')).body, [{ text: 'one' }, { text: 'two' }])
    }
  },
  graphql: {
    async play (t, { send }, notes) {
      const add = (...texts: string[]) =>
        send('POST', '/graphql', {
          query: `mutation { ${texts.map((text, n) => `n${n}: addNote(text: ${JSON.stringify(text)})`).join(' ')} }`
        })
      const failed = await add('one', '')
      t.match(failed, { status: 200, body: { errors: [{ message: 'A note must say something' }] } })
      t.same(await notes(), [], 'an error inside a 200 rolls back')
      t.match(await add('one', 'two'), { status: 200, body: { data: { n0: true, n1: true } } })
      t.match(await send('POST', '/graphql', { query: '{ notes }' }), { body: { data: { notes: ['one', 'two'] } } })
      t.match(await send('GET', '/graphql?query={notes}'), { body: { data: { notes: ['one', 'two'] } } })
      t.equal((await send('GET', '/graphql?query=mutation{addNote(text:"x")}')).status, 405)
      t.equal((await send('POST', '/graphql', { query: 'mutation { addNote(text: "three") nothing }' })).status, 400)
      t.same(await notes(), ['one', 'two'], 'what is refused before it runs stores nothing')
    }
  },
  trpc: {
    async play (t, { send, origin }, notes) {
      const add = (first: string, second: string) =>
        send('POST', '/trpc/addNote,addNote?batch=1', { 0: first, 1: second })
      t.equal((await add('one', '')).status, 207)
      t.same(await notes(), [], 'half a batch is not stored')
      t.equal((await add('', 'two')).status, 207)
      t.equal((await send('POST', '/trpc/addNote,nothing?batch=1', { 0: 'one', 1: 'two' })).status, 207)
      t.same(await notes(), [], 'whichever half it is')
      t.equal((await add('one', 'two')).status, 200)
      t.same(await notes(), ['one', 'two'])
      const streamed = await fetch(`${origin}/trpc/addNote?batch=1`, {
        method: 'POST',
        body: JSON.stringify({ 0: 'three' }),
        headers: { 'content-type': 'application/json', 'trpc-accept': 'application/jsonl' }
      })
      t.match(await streamed.text(), /takes no further statement/, 'an answer that has begun takes no more calls')
      t.same(await notes(), ['one', 'two'])
    }
  },
  events: {
    async play (t, { send, origin }, notes) {
      const { body } = await send('POST', '/notes', { text: 'one' })
      t.match(String(body), /"step":"stored"[^]*"step":"indexed"/)
      t.same(await notes(), ['one'])
      await talk(t, `${origin.replace('http', 'ws')}/socket`)
      t.same(await notes(), ['one', 'two'], 'each message for itself')
      await leave(origin, 'POST', '/notes', 'application/json', JSON.stringify({ text: 'three' }))
      t.match(await send('POST', '/notes', { text: 'four' }), { status: 200 }, 'one that goes away harms nobody')
      t.equal((await notes()).at(-1), 'four')
    }
  },
  uploads: {
    prepare: (t) => ({ UPLOADS: uploads = newFolder(t) }),
    async play (t, { send, origin }, notes) {
      const upload = (bytes: number) => {
        const form = new FormData()
        form.append('file', new Blob(['x'.repeat(bytes)]), 'a.txt')
        return send('POST', '/files', form)
      }
      t.equal((await upload(1_000_001)).status, 413)
      t.same(await notes(), [])
      t.same(readdirSync(uploads), [], 'neither row nor file')
      const two = new FormData()
      for (const name of ['a.txt', 'b.txt']) two.append('file', new Blob(['x']), name)
      t.equal((await send('POST', '/files', two)).status, 413, 'two are more than one')
      const head = '--B\r\ncontent-disposition: form-data; name="file"; filename="c.txt"\r\n\r\nbegun'
      await leave(origin, 'POST', '/files', 'multipart/form-data; boundary=B', head, 1000)
      await until('what was begun is gone', () => readdirSync(uploads).length === 0)
      t.same(await notes(), [])
      t.match(await upload(3), { status: 201, body: { id: 1 } })
      t.same(await notes(), ['a.txt'])
      t.equal(readFileSync(path.join(uploads, '1'), 'utf8'), 'xxx')
      mkdirSync(path.join(uploads, '2', 'in the way'), { recursive: true })
      t.equal((await upload(3)).status, 500, 'the file cannot get its name')
      t.same(await notes(), ['a.txt'], 'so there is no row')
      t.match(await upload(3), { status: 201, body: { id: 3 } })
    }
  },
  proxy: {
    async prepare (t) {
      const server = createServer((request, response) => {
        request.resume()
        if (request.url === '/reset') request.socket.destroy()
        else if (request.url !== '/silent') response.writeHead(Number(request.url?.slice(1))).end()
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.teardown(() => server.closeAllConnections())
      t.teardown(() => server.close())
      return { UPSTREAM: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    },
    async play (t, { send, origin }, notes) {
      for (const status of [400, 409, 503]) t.equal((await send('POST', `/shop/${status}`)).status, status)
      t.same(await notes(), [], 'the other server has refused')
      t.equal((await send('POST', '/shop/reset')).status, 500)
      await leave(origin, 'POST', '/shop/silent', 'text/plain', '')
      t.same(await notes(), [], 'it broke off, or the client did')
      t.equal((await send('POST', '/shop/201')).status, 201)
      t.same(await notes(), ['POST /shop/201'])
    }
  }
}

/** A client that goes away once its request, or the beginning of it, is on its way. */
async function leave (
  origin: string,
  method: string,
  path: string,
  type: string,
  body: string,
  length = body.length
): Promise<void> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  await once(socket, 'connect')
  const head = `${method} ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`
  await new Promise((resolve) => socket.write(`${head}${body}`, resolve))
  socket.destroy()
}

/** Sends an empty message, which is refused, and one that is stored. */
async function talk (t: Test, url: string): Promise<void> {
  const { WebSocket } = await import(
    path.join(import.meta.dirname, '../../scripts/ecosystem/packages/node_modules/ws/wrapper.mjs')
  ) as { WebSocket: new(url: string) => NodeJS.EventEmitter & { send: (text: string) => void; close: () => void } }
  const socket = new WebSocket(url)
  const said: string[] = []
  socket.on('message', (data: Buffer) => said.push(data.toString()))
  await once(socket, 'open')
  socket.send('')
  await until('it answers', () => said.length === 1)
  socket.send('two')
  await until('it answers again', () => said.length === 2)
  socket.close()
  t.same(said, ['not stored', 'stored'])
}

import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { until, type Database, type Stage } from './harness.ts'

/** What a client was told: a status, or the code of the error that broke the connection. */
export interface Told {
  status: number | string
  headers: Record<string, unknown>
  text: string
}

/** Fails the test where a promise or an event of the plugin would have ended the process. */
export function failOnCrash (t: Test): void {
  const crash = (error: unknown) => {
    t.fail(`the process would have ended: ${error instanceof Error ? error.stack : String(error)}`)
  }
  process.on('uncaughtException', crash).on('unhandledRejection', crash)
  t.teardown(() => {
    process.off('uncaughtException', crash).off('unhandledRejection', crash)
  })
}

/** Sends a request and tells how it ended; a connection that breaks is an answer too. */
export async function ask ({ send }: Pick<Stage, 'send'>, method: string, path: string): Promise<Told> {
  return await send(method, path).catch((error: { code?: string }) => ({
    status: error.code ?? 'broken',
    headers: {},
    text: ''
  }))
}

/** A complete 2xx or 3xx means stored; any other answer, and a broken connection before anything was promised, means nothing. */
export async function isTruth (t: Test, db: Database, told: Told, name: string): Promise<void> {
  const isSuccess = typeof told.status === 'number' && told.status < 400
  const isStored = async () => ((await db.ids()).length > 0) === isSuccess
  t.ok(await until(isStored, 1000), `${name}: ${told.status} is the truth`)
  await db.admin.query('truncate item, child, parent')
}

/** An HTTP/2 session that ends with the test. */
export function openSession (t: Test, origin: string): ClientHttp2Session {
  const session = connect(origin)
  session.on('error', () => {})
  t.teardown(() => {
    session.destroy()
  })
  return session
}

/** Begins a POST over HTTP/2. `told` is settled when the stream has closed: with a status only where the reply is complete. */
export function post (
  session: ClientHttp2Session,
  path: string
): { stream: ClientHttp2Stream; told: Promise<Told>; reset: () => void } {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' })
  const told: Told = { status: 'broken', headers: {}, text: '' }
  stream.on('response', (headers) => {
    Object.assign(told, { status: headers[':status'], headers })
  })
  stream.on('data', (chunk: Buffer) => {
    told.text += chunk.toString()
  })
  stream.on('error', () => {})
  const closed = new Promise<Told>((resolve) => {
    stream.on('close', () => {
      resolve(stream.rstCode === constants.NGHTTP2_NO_ERROR ? told : { ...told, status: `reset ${stream.rstCode}` })
    })
  })
  stream.end('{}')
  return {
    stream,
    told: closed,
    reset: () => {
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }
}

/** Waits until the transaction of a request is in a state that lasts for one statement only. */
export async function reaches ({ transaction }: FastifyRequest, state: 'committing' | 'rolling back'): Promise<void> {
  for (const end = performance.now() + 5000; transaction.state !== state && performance.now() < end;) await nextTurn()
}

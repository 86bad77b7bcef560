import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { comesTrue, type Database, type Setup } from './harness.ts'

/** What a client saw of a reply: a status, or the code of the error that broke the connection. */
export interface WatchedPromise {
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
export async function ask ({ send }: Pick<Setup, 'send'>, method: string, path: string): Promise<WatchedPromise> {
  return await send(method, path).catch((error: { code?: string }) => ({
    status: error.code ?? 'broken',
    headers: {},
    text: ''
  }))
}

/**
 * A complete 2xx or 3xx means stored; any other answer, and a broken connection before anything was promised, means
 * nothing.
 */
export async function isTruth (t: Test, db: Database, reported: WatchedPromise, name: string): Promise<void> {
  const isSuccess = typeof reported.status === 'number' && reported.status < 400
  const isStored = async () => ((await db.ids()).length > 0) === isSuccess
  t.ok(await comesTrue(isStored, 1000), `${name}: ${reported.status} is the truth`)
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

/**
 * Begins a POST over HTTP/2. `reported` is settled when the stream has closed: with a status only where the reply is
 * complete.
 */
export function post (
  session: ClientHttp2Session,
  path: string
): { stream: ClientHttp2Stream; reported: Promise<WatchedPromise>; reset: () => void } {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' })
  const reported: WatchedPromise = { status: 'broken', headers: {}, text: '' }
  stream.on('response', (headers) => {
    Object.assign(reported, { status: headers[':status'], headers })
  })
  stream.on('data', (chunk: Buffer) => {
    reported.text += chunk.toString()
  })
  stream.on('error', () => {})
  const closed = new Promise<WatchedPromise>((resolve) => {
    stream.on('close', () => {
      resolve(
        stream.rstCode === constants.NGHTTP2_NO_ERROR ? reported : { ...reported, status: `reset ${stream.rstCode}` }
      )
    })
  })
  stream.end('{}')
  return {
    stream,
    reported: closed,
    reset: () => {
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }
}

/** Waits until the transaction of a request is in a state that lasts for one statement only. */
export async function reaches ({ transaction }: FastifyRequest, state: 'committing' | 'rolling back'): Promise<void> {
  for (const end = performance.now() + 5000; transaction.state !== state && performance.now() < end;) await nextTurn()
}

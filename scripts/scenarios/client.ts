import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'

/** What a request should lead to. */
export interface Expected {
  /** Rows that its handler stores, all or none. Default none. */
  writes?: number[]
  /** Rows that come after the reply, which must never be stored. Default none. */
  late?: number[]
  /** Answers that are right. Default: any that goes with what is stored. */
  answers?: Array<number | 'none'>
  /** Text that the body must contain. Default none. */
  text?: string
  /** True where rows may be stored although the client is told nothing. Default false. */
  mayStore?: boolean
  /** Headers that an answer of 400 or more must not carry. Default none. */
  without?: string[]
  /** Milliseconds that the answer may take. Default 5000. */
  within?: number
}

/** What a client saw of a reply: a status, or `none` when it left, was cut off or had to wait too long. */
export interface Reported {
  status: number | 'none'
  text: string
  headers?: IncomingHttpHeaders
  milliseconds: number
  expected: Expected
}

/** How much longer than allowed an answer is waited for. */
const PATIENCE_MS = 1000

/** Sends a request over a socket of its own. `reported` never rejects. */
export function sendRequest (
  origin: string,
  method: string,
  path: string,
  expected: Expected
): { reported: Promise<Reported>; destroy: () => void } {
  const hasBody = !['GET', 'HEAD'].includes(method)
  const body = hasBody ? '{"some":"body"}' : ''
  const headers = hasBody ? { 'content-type': 'application/json', 'content-length': body.length } : {}
  const request = httpRequest(origin + path, { method, agent: false, headers })
  const start = performance.now()
  const reported = new Promise<Reported>((resolve) => {
    const end = (status: Reported['status'], text = '', headers: IncomingHttpHeaders = {}): void => {
      resolve({ status, text, headers, milliseconds: performance.now() - start, expected })
    }
    request.setTimeout((expected.within ?? 5000) + PATIENCE_MS, () => {
      request.destroy()
    })
    request.on('error', () => {
      end('none')
    })
    request.on('close', () => {
      end('none')
    })
    request.on('response', (response) => {
      readText(response).then((body) => {
        end(response.statusCode ?? 'none', body, response.headers)
      }, () => {
        end('none')
      })
    })
  })
  request.end(body)
  return {
    reported,
    destroy: () => {
      request.destroy()
    }
  }
}

/**
 * Sends a POST over an HTTP/2 session of its own. `reported` never rejects; `reset` takes the request back as a browser
 * does that goes elsewhere.
 */
export function sendHttp2 (
  origin: string,
  path: string,
  expected: Expected
): { reported: Promise<Reported>; reset: () => void } {
  const session = connectHttp2(origin)
  session.on('error', () => {/* the stream tells */})
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' })
  const start = performance.now()
  const reported = new Promise<Reported>((resolve) => {
    let status: Reported['status'] = 'none'
    let text = ''
    stream.setEncoding('utf8').setTimeout((expected.within ?? 5000) + PATIENCE_MS, () => {
      stream.close(constants.NGHTTP2_CANCEL)
    })
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 'none'
    })
    stream.on('data', (chunk: string) => {
      text += chunk
    })
    stream.on('error', () => {
      status = 'none'
    })
    stream.on('close', () => {
      resolve({ status, text, milliseconds: performance.now() - start, expected })
      session.destroy()
    })
  })
  stream.end('{"some":"body"}')
  return {
    reported,
    reset: () => {
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }
}

/** A socket that sends the bytes it is given. */
export function rawSocket (
  origin: string,
  bytes: string
): { first: Promise<unknown>; write: (bytes: string) => void; destroy: () => void } {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {/* the server may close it */})
  // 'readable' without reading: the rest stays where it is, so that the server has to wait.
  const first = new Promise((resolve) => {
    socket.once('readable', resolve).once('close', resolve)
  })
  socket.write(bytes)
  return {
    first,
    write: (more) => {
      socket.write(more)
    },
    destroy: () => {
      socket.destroy()
    }
  }
}

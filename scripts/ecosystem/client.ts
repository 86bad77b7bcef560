import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { brotliDecompressSync, inflateSync, unzipSync } from 'node:zlib'

/** A request. */
export interface Sending {
  path: string
  /** Default POST. */
  method?: string
  /** Default none; a body without a content type is JSON. */
  headers?: Record<string, string>
  /** Default `{}` for every method but GET and HEAD. */
  body?: string | Buffer
}

/** An answer, its body decoded. `status` is 0 where none came or it broke off, and `text` says why. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

const PATIENCE_MS = 5000

/** Sends a request over a socket of its own. Never rejects. */
export function send (origin: string, { path, method = 'POST', headers = {}, body }: Sending): Promise<Answer> {
  const payload = ['GET', 'HEAD', 'OPTIONS'].includes(method) ? undefined : Buffer.from(body ?? '{}')
  const json = { 'content-type': 'application/json', 'content-length': String(payload?.length) }
  const own = payload === undefined ? {} : json
  return new Promise((resolve) => {
    const fail = (text: string): void => {
      resolve({ status: 0, headers: {}, text })
    }
    const request = httpRequest(new URL(path, origin), { method, agent: false, headers: { ...own, ...headers } })
    const timer = setTimeout(() => {
      fail(`no answer within ${PATIENCE_MS / 1000} s`)
      request.destroy()
    }, PATIENCE_MS)
    request.on('error', (error) => {
      fail(error.message)
    })
    request.on('close', () => {
      clearTimeout(timer)
    })
    request.on('response', (response) => {
      readAnswer(response).then(resolve, (error: Error) => {
        fail(error.message)
      })
    })
    request.end(payload)
  })
}

async function readAnswer (response: IncomingMessage): Promise<Answer> {
  const bytes = await buffer(response).catch((error: Error) => {
    throw new Error(`broke off: ${error.message}`)
  })
  const { statusCode: status = 0, headers } = response
  const encoding = headers['content-encoding']
  try {
    return { status, headers, text: decode(bytes, encoding) }
  } catch {
    throw new Error(`${status}, but the body is not ${encoding}: ${bytes.toString().slice(0, 60)}`)
  }
}

function decode (bytes: Buffer, encoding: string | undefined): string {
  if (bytes.length === 0 || encoding === undefined || encoding === 'identity') return bytes.toString()
  if (encoding === 'br') return brotliDecompressSync(bytes).toString()
  return (encoding === 'deflate' ? inflateSync : unzipSync)(bytes).toString()
}

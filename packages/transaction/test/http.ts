import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from 'node:http'

export { comesTrue } from '../../../test/until.ts'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  json: Record<string, unknown>
}

/** A request on its way: await it, or make its client go away. */
export interface Sent extends Promise<Answer> {
  abort: () => void
  request: ClientRequest
}

export type Send = (method: string, path: string, body?: unknown) => Sent

/** Sends requests over sockets of their own; POST carries a JSON body, because Fastify behaves differently with one. */
export function sendTo (origin: string): Send {
  return function send (method, path, body) {
    const hasBody = !['GET', 'HEAD'].includes(method)
    const text = hasBody ? JSON.stringify(body ?? { some: 'body' }) : ''
    const headers = hasBody ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}
    const request = httpRequest(origin + path, { method, agent: false, headers })
    const answer = new Promise<Answer>((resolve, reject) => {
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          resolve(getAnswer(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString()))
        })
      })
    })
    answer.catch(() => {})
    request.end(text)
    return Object.assign(answer, {
      request,
      abort: () => {
        request.destroy()
      }
    })
  }
}

function getAnswer (status: number, headers: IncomingHttpHeaders, text: string): Answer {
  const isJson = headers['content-type']?.includes('json') === true && text !== '' &&
    headers['content-encoding'] === undefined
  return { status, headers, text, json: isJson ? JSON.parse(text) as Record<string, unknown> : {} }
}

/** A promise and the function that settles it. */
export function signal (): { given: Promise<void>; give: () => void } {
  let give = (): void => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { buildPage } from './page.ts'
import { getStatus } from './status.ts'

interface Answer { status?: number, type?: string, body: string, headers?: Record<string, string> }

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'"
}

/**
 * The admin listener: a server of its own, so that it answers when the API is overloaded or drains.
 * @param app whose metrics and readiness it shows
 * @returns a server that does not listen yet
 */
export function createAdminServer (app: FastifyInstance): Server {
  const page = buildPage()
  const routes: Record<string, () => Answer | Promise<Answer>> = {
    '/': () => ({ type: 'text/html; charset=utf-8', body: page.html, headers: { 'content-security-policy': page.policy } }),
    '/status.json': async () => json(200, await getStatus(app)),
    '/metrics': async () => ({ type: app.metrics.contentType, body: await app.metrics.text() }),
    '/livez': () => json(200, { status: 'alive' }),
    '/readyz': readiness,
    '/healthz': readiness
  }
  return createServer({ requestTimeout: 10_000 }, (request, response) => {
    answer(request).then((result) => { send(request, response, result) }, (error: unknown) => {
      app.log.error({ err: error }, 'the admin listener failed')
      send(request, response, text(500, 'Internal error'))
    })
  })

  async function readiness (): Promise<Answer> {
    const report = await app.readiness()
    return json(report.status === 'ready' ? 200 : 503, report)
  }

  async function answer ({ method, url = '/', headers }: IncomingMessage): Promise<Answer> {
    // Another site's name that was pointed at this machine: its scripts would be of the same origin.
    if (isLoopback(app.config.HOST) && !isLocalName(headers.host)) return text(421, 'This listener is for the machine it runs on')
    const route = Object.entries(routes).find(([path]) => path === url.split('?', 1)[0])?.[1]
    if (route === undefined) return text(404, `There are ${Object.keys(routes).join(' ')}`)
    if (method !== 'GET' && method !== 'HEAD') return { ...text(405, 'Only GET and HEAD'), headers: { allow: 'GET, HEAD' } }
    return await route()
  }
}

function send ({ method }: IncomingMessage, response: ServerResponse, { status = 200, type = 'text/plain; charset=utf-8', body, headers }: Answer): void {
  response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers })
  response.end(method === 'HEAD' ? undefined : body)
}

function json (status: number, value: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}

function text (status: number, line: string): Answer {
  return { status, body: `${line}\n` }
}

function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function isLocalName (host = ''): boolean {
  return isLoopback(host.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))
}

import type { App } from '../../app.ts'

export type Headers = Record<string, string>

/** Sends a request by `inject`; the body is what its JSON says, undefined where there is none. */
export async function send<Body = unknown> (
  app: App,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  payload?: object,
  headers: Headers = {}
) {
  const reply = await app.inject({ method, url, headers, ...(payload && { payload }) })
  return {
    status: reply.statusCode,
    headers: reply.headers as Headers,
    body: (reply.body === '' ? undefined : reply.json()) as Body
  }
}

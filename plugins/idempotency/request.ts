import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

/** A request that carries a key. */
export interface KeyedRequest {
  key: string
  /** Method and path of the route: one key may be used once on each. */
  route: string
  /** Digest of everything that was sent to the route: path, query and body. */
  fingerprint: string
}

/** The header in OpenAPI and validation: a quoted string as the draft has it, or bare. */
export const KEY_SCHEMA = {
  type: 'string',
  pattern: '^("[\\x20\\x21\\x23-\\x5B\\x5D-\\x7E]{1,255}"|[\\x21\\x23-\\x7E]{1,255})$',
  description:
    'Makes a repeat of this request harmless: the first answer is given again for 24 hours. Choose a new one, such as a UUID, for each new request.',
  examples: ['"8e03978e-40d5-43dd-bc93-6894a57f9324"']
} as const

/** Key, route and fingerprint of a request; undefined without the header. Its form has been checked by the schema. */
export function keyedRequest (request: FastifyRequest): KeyedRequest | undefined {
  const header = request.headers['idempotency-key']
  if (typeof header !== 'string') return undefined
  const { params, query, body, routeOptions, method } = request
  const sent = JSON.stringify(sorted([params, query, body]))
  return {
    key: header.replace(/^"(.*)"$/, '$1'),
    route: `${method} ${routeOptions.url ?? ''}`.replace(/(.)\/$/, '$1'),
    fingerprint: createHash('sha256').update(sent).digest('base64url')
  }
}

// The order of fields is no difference.
function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, field]) => [name, sorted(field)])
  )
}

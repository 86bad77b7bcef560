import type { FastifyRequest } from 'fastify'
import { digest, type Caller } from './scope.ts'

/** A request that carries a key. */
export interface KeyedRequest {
  /** The key as it was sent; behind the digest of its scope where it has one. */
  key: string
  /** Method and path of the route: one key may be used once on each. */
  route: string
  /** Digest of everything that was sent to the route: path, query and body, and of who sent it. */
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

/**
 * Key, route and fingerprint of a request; undefined without the header. Its form has been checked by the schema.
 * @param findCaller says who sent the request; asked only where there is a key
 */
export function keyedRequest (
  request: FastifyRequest,
  findCaller: (request: FastifyRequest) => Caller
): KeyedRequest | undefined {
  const header = request.headers['idempotency-key']
  if (typeof header !== 'string') return undefined
  const { params, query, body, routeOptions, method } = request
  const { scope, credentials } = findCaller(request)
  const who = scope ?? credentials
  const sent = sorted([params, query, body, ...(who === undefined ? [] : [who])])
  const key = header.replace(/^"(.*)"$/, '$1')
  return {
    key: scope === undefined ? key : `${scope} ${key}`,
    route: `${method} ${routeOptions.url ?? ''}`.replace(/(.)\/$/, '$1'),
    fingerprint: digest(JSON.stringify(sent))
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

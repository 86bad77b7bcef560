import { createPublicKey, type JsonWebKey } from 'node:crypto'
import type { FastifyJWTOptions, TokenOrHeader } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'

/** How tokens are verified: by a secret that is shared, or by the public keys of whoever issues them. */
export type KeyOptions = {
  /** The shared secret, of 32 bytes or more (HS256). */
  secret: string
} | {
  /** URL of a JSON Web Key Set. */
  jwks: string
}

/** What tokens must say beside their signature. */
export interface IssuerOptions {
  issuer: string
  audience: string
}

interface KeySet {
  keys?: Array<JsonWebKey & { kid?: string; use?: string }>
}

const REQUIRED = ['sub', 'tenant', 'role', 'exp']
const PUBLIC_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const
const SHORTEST_SECRET = 32
const FETCH_MS = 3000
/** An unknown key is looked for again after this long: issuers change their keys, strangers name any. */
const AGAIN_AFTER_MS = 30_000

/**
 * Options of @fastify/jwt. Algorithms are named: a token must not choose that a public key is taken for a secret.
 * @throws Error where the secret is too short to be one
 */
export function getJwtOptions ({ issuer, audience, ...keys }: KeyOptions & IssuerOptions): FastifyJWTOptions {
  const verify = { allowedIss: issuer, allowedAud: audience, requiredClaims: REQUIRED }
  if ('secret' in keys) {
    if (Buffer.byteLength(keys.secret) < SHORTEST_SECRET) {
      throw new Error(
        `The secret of the tokens is shorter than ${SHORTEST_SECRET} bytes: make one with openssl rand -base64 48`
      )
    }
    return { secret: keys.secret, verify: { ...verify, algorithms: ['HS256'] } }
  }
  const find = keyFinder(keys.jwks)
  return {
    // Nothing is signed here.
    secret: { public: async (_request: FastifyRequest, token: TokenOrHeader) => await find(getKeyId(token)) },
    decode: { complete: true },
    verify: { ...verify, algorithms: [...PUBLIC_ALGORITHMS] }
  }
}

function getKeyId (token: TokenOrHeader): string {
  const { kid } = ('header' in token ? token.header : token) as { kid?: unknown }
  return typeof kid === 'string' ? kid : ''
}

/** Finds the public key of a token, in PEM; rejects where the issuer has no such key, or does not answer. */
function keyFinder (url: string): (kid: string) => Promise<string> {
  let known = new Map<string, string>()
  let fetchedAt = -Infinity
  let fetching: Promise<void> | undefined
  async function fetchKeys (): Promise<void> {
    const reply = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS), redirect: 'error' })
    if (!reply.ok) throw new Error(`The key set of the issuer was answered with ${reply.status}`)
    const { keys = [] } = await reply.json() as KeySet
    known = new Map(keys.filter(({ use = 'sig' }) => use === 'sig').map((key) => [String(key.kid), toPem(key)]))
  }
  return async function find (kid) {
    if (!known.has(kid) && performance.now() - fetchedAt > AGAIN_AFTER_MS) {
      fetchedAt = performance.now()
      fetching = fetchKeys().catch(() => {
        fetchedAt = -Infinity // it did not answer: the next token asks again
      })
    }
    await fetching
    const key = known.get(kid)
    if (key === undefined) throw new Error('The token names a key that its issuer does not have')
    return key
  }
}

function toPem (key: JsonWebKey): string {
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
}

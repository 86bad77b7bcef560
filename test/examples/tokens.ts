import { createHmac, sign, type KeyObject } from 'node:crypto'

/** What the tokens of these tests are for. */
export const ISSUER = { issuer: 'https://issuer.example', audience: 'notes' }
/** The shared secret of these tests. */
export const SECRET = 's'.repeat(40)

type Claims = Record<string, unknown>

/** Claims of a caller whose token is valid for a minute. */
export function claimsOf (tenant: string, sub = 'ada', role = 'writer'): Claims {
  return { sub, tenant, role, iss: ISSUER.issuer, aud: ISSUER.audience, exp: Math.floor(Date.now() / 1000) + 3600 }
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token signed with a secret. */
export function createToken (claims: Claims, secret = SECRET, alg = 'HS256'): string {
  const text = `${encode({ alg, typ: 'JWT' })}.${encode(claims)}`
  const signature = alg === 'none' ? '' : createHmac('sha256', secret).update(text).digest('base64url')
  return `${text}.${signature}`
}

/** A token signed with an RSA key. */
export function createSignedToken (claims: Claims, kid: string, key: KeyObject): string {
  const text = `${encode({ alg: 'RS256', typ: 'JWT', kid })}.${encode(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

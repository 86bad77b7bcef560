import type { FastifyRequest } from 'fastify'
import type { KeyedRequest } from './request.ts'

/** An answer as it is kept. */
export interface StoredAnswer {
  status: number
  headers: Record<string, string>
  /** Bytes where the answer is no UTF-8 text, or holds a zero byte, which PostgreSQL's text cannot. */
  body: string | Buffer
}

/** A key whose work is stored; without its answer where the handler committed by itself and has not been answered. */
export interface KnownKey {
  fingerprint: string
  answer: StoredAnswer | undefined
}

/** What is known of a key: nothing, that its request is running, or that its work is stored. */
export type Known = 'new' | 'running' | KnownKey

/** Keys and answers in one store. */
export interface KeyStore {
  /** Writes the key in the request's own transaction, before its work: whatever commits the one commits the other. */
  claim: (request: FastifyRequest, keyed: KeyedRequest, expiresAt: Date) => Promise<Known>
  /** Puts the answer to a claimed key, in the request's own transaction. */
  save: (request: FastifyRequest, keyed: KeyedRequest, answer: StoredAnswer) => Promise<void>
  /** Puts the answer to a key that is committed without one, outside any request's transaction. */
  complete: (keyed: KeyedRequest, answer: StoredAnswer) => Promise<void>
}

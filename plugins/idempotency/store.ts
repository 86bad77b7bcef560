import type { FastifyRequest } from 'fastify'
import type { KeyedRequest } from './request.ts'

/** An answer as it is kept. */
export interface StoredAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** What is known of a key: nothing, that its request is running, or its request and answer. */
export type Known = 'new' | 'running' | { fingerprint: string, answer: StoredAnswer }

/** Keys and answers in one store; both calls run in the request's own transaction, so they live and die with its work. */
export interface KeyStore {
  claim: (request: FastifyRequest, keyed: KeyedRequest) => Promise<Known>
  /** False when another request with the key was faster. */
  save: (request: FastifyRequest, keyed: KeyedRequest, answer: StoredAnswer, expiresAt: Date) => Promise<boolean>
}

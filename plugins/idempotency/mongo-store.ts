import type { FastifyInstance } from 'fastify'
import { clusterTime } from '../change-stream/index.ts'
import { mongoToken } from '../read-your-writes/token.ts'
import { mongoDatabase } from '../mongo/index.ts'
import type { KeyedRequest } from './request.ts'
import type { KeyStore, StoredAnswer } from './store.ts'

interface KeyDocument { _id: string, fingerprint: string, answer?: StoredAnswer, created_at: Date, expires_at: Date }

const COLLECTION = 'idempotency_keys'
// Another transaction holds the document; it was stored a moment ago.
const TAKEN = new Set([112, 11000])

/**
 * Keys in the collection `idempotency_keys`; MongoDB removes them when their time is over. The key is written first, in the
 * request's session: a second request with it meets a write conflict at once.
 */
export function mongoKeyStore (app: FastifyInstance): KeyStore {
  return {
    async claim (request, keyed) {
      const known = await find(app, keyed)
      if (known !== undefined) return known
      const now = new Date()
      const { fingerprint } = keyed
      try {
        // A document that is past its time and not yet removed is taken over; a younger one is a duplicate.
        await request.mongo.collection<KeyDocument>(COLLECTION).updateOne(
          { _id: idOf(keyed), expires_at: { $lte: now } },
          { $set: { fingerprint, created_at: now, expires_at: now } }, { upsert: true })
        return 'new'
      } catch (error) {
        if (error instanceof Error && 'code' in error && TAKEN.has(Number(error.code))) return 'running'
        throw error
      }
    },

    async save (request, keyed, answer, expiresAt) {
      const $set = { fingerprint: keyed.fingerprint, answer, created_at: new Date(), expires_at: expiresAt }
      await request.mongo.collection<KeyDocument>(COLLECTION).updateOne({ _id: idOf(keyed) }, { $set }, { upsert: true })
      return true
    }
  }
}

function idOf ({ key, route }: KeyedRequest): string {
  return `${route} ${key}`
}

/** Reads past the transaction: what is committed is what counts, and a replay needs no transaction. */
async function find (app: FastifyInstance, keyed: KeyedRequest): Promise<{ fingerprint: string, answer: StoredAnswer } | undefined> {
  const session = app.mongo.client.startSession()
  try {
    const keys = mongoDatabase(app).collection<KeyDocument>(COLLECTION)
    const document = await keys.findOne({ _id: idOf(keyed), expires_at: { $gt: new Date() } }, { session, readConcern: { level: 'majority' } })
    if (document?.answer === undefined) return undefined
    const { fingerprint, answer } = document
    // No earlier than the write itself: its own time is not stored with it.
    const token = session.operationTime === undefined ? {} : { 'consistency-token': mongoToken(clusterTime(session.operationTime)) }
    return { fingerprint, answer: { ...answer, headers: { ...answer.headers, ...token } } }
  } finally {
    await session.endSession()
  }
}

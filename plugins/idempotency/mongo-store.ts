import type { FastifyInstance } from 'fastify'
import { Binary, type Collection } from 'mongodb'
import { clusterTime } from 'fastify-change-stream'
import { mongoTokens } from '../read-your-writes/index.ts'
import { STREAMS } from './answer.ts'
import { mongoDatabase } from '../mongo/index.ts'
import type { KeyedRequest } from './request.ts'
import type { KeyStore, KnownKey, StoredAnswer } from './store.ts'

interface KeyDocument {
  _id: string
  fingerprint: string
  /** Its bytes are read back as a Binary. */
  answer?: Omit<StoredAnswer, 'body'> & { body: string | Buffer | Binary }
  created_at: Date
  expires_at: Date
}

const COLLECTION = 'idempotency_keys'
/** How long a reply waits at most while the answer to work that is already committed is written. */
const COMPLETE_WITHIN_MS = 3000
// Another transaction holds the document; it was stored a moment ago.
const TAKEN = new Set([112, 11000])

/**
 * Keys in the collection `idempotency_keys`; MongoDB removes them when their time is over. The key is written first, in
 * the request's session: a second request with it meets a write conflict at once.
 */
export function mongoKeyStore (app: FastifyInstance): KeyStore {
  return {
    async claim (request, keyed, expiresAt) {
      const known = await find(app, keyed)
      if (known !== undefined) return known
      const now = new Date()
      try {
        // A document that is past its time and not yet removed is taken over; a younger one is a duplicate.
        await request.mongo.collection<KeyDocument>(COLLECTION).updateOne(
          { _id: getId(keyed), expires_at: { $lte: now } },
          { $set: { fingerprint: keyed.fingerprint, created_at: now, expires_at: expiresAt }, $unset: { answer: '' } },
          { upsert: true }
        )
        return 'new'
      } catch (error) {
        if (error instanceof Error && 'code' in error && TAKEN.has(Number(error.code))) return 'running'
        throw error
      }
    },

    async save (request, keyed, answer) {
      const { matchedCount } = await request.mongo.collection<KeyDocument>(COLLECTION).updateOne(
        { _id: getId(keyed) },
        {
          $set: { answer }
        }
      )
      if (matchedCount !== 1) {
        throw new Error(`the handler of ${keyed.route} has removed its own document of ${COLLECTION}`)
      }
    },

    async complete (keyed, answer) {
      await getKeys(app).updateOne(
        { _id: getId(keyed), fingerprint: keyed.fingerprint, answer: { $exists: false } },
        { $set: { answer } },
        { writeConcern: { w: 'majority', wtimeoutMS: COMPLETE_WITHIN_MS }, maxTimeMS: COMPLETE_WITHIN_MS }
      )
    }
  }
}

function getId ({ key, route }: KeyedRequest): string {
  return `${route} ${key}`
}

function getKeys (app: FastifyInstance): Collection<KeyDocument> {
  return mongoDatabase(app).collection<KeyDocument>(COLLECTION)
}

/** Reads past the transaction: what is committed is what counts, and a replay needs no transaction. */
async function find (app: FastifyInstance, keyed: KeyedRequest): Promise<KnownKey | undefined> {
  const session = app.mongo.client.startSession()
  try {
    const document = await getKeys(app).findOne({ _id: getId(keyed), expires_at: { $gt: new Date() } }, {
      session,
      readConcern: { level: 'majority' }
    })
    if (document === null) return undefined
    const { fingerprint, answer } = document
    if (answer === undefined) return { fingerprint, answer }
    // No earlier than the write itself: its own time is not stored with it.
    const streams = (answer.headers[STREAMS] ?? '').split(',').filter((stream) => stream !== '')
    const time = session.operationTime
    const tokens = time === undefined ? undefined : mongoTokens(app, streams, clusterTime(time))
    const token = tokens === undefined ? {} : { 'consistency-token': tokens }
    const body = answer.body instanceof Binary ? Buffer.from(answer.body.buffer) : answer.body
    return { fingerprint, answer: { ...answer, headers: { ...answer.headers, ...token }, body } }
  } finally {
    await session.endSession()
  }
}

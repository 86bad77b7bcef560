import type { FastifyRequest } from 'fastify'

let serial = 0

/** Stores one thing in the request's own transaction, whichever store that is in. */
export async function storeOne (request: FastifyRequest): Promise<void> {
  if (request.transaction.store === 'mongo') await request.mongo.collection('notes').insertOne({ made_at: new Date() })
  else {
    await request.transaction.query('INSERT INTO things (name) VALUES ($1)', [`${++serial}.${process.pid}`])
  }
}

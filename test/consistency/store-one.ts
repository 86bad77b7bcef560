import type { FastifyRequest } from 'fastify'

let serial = 0

/** Stores one thing in the request's own transaction, whichever store that is in. */
export async function storeOne (request: FastifyRequest): Promise<void> {
  if (request.transaction.store === 'mongo') await request.mongo.collection('things').insertOne({ made: new Date() })
  else {
    await request.transaction.query("INSERT INTO users (name, email) VALUES ('Ada', $1)", [
      `ada.${++serial}.${process.pid}@example.com`
    ])
  }
}

import type { FastifyInstance } from 'fastify'
import type { MongoWrite, SqlWrite, Wanted } from './token.ts'

/**
 * Waits until the copies themselves show the writes.
 * @param ms longest wait in milliseconds
 * @returns false also for writes that nothing is known of: of another pair or epoch, or never made
 */
export async function awaitProjections (app: FastifyInstance, wanted: Wanted, ms: number): Promise<boolean> {
  if (!app.hasDecorator('projections')) return false // doubles in place of the databases
  const { timeline } = app.projections.fence
  const isOurs = [...wanted.sql, ...wanted.mongo].every((write) => write.timeline === timeline)
  if (wanted.isUnknown === true || timeline === undefined || !isOurs) return false
  const waits = [
    ...wanted.sql.map((write) => isInMongo(app, write, ms)),
    ...wanted.mongo.map((write) => isInSql(app, write, ms))
  ]
  const areThere = (await Promise.all(waits)).every(Boolean)
  // While it waited a store may have gone back.
  return areThere && app.projections.fence.timeline === timeline
}

/** The row of an event is gone when it is applied, and also when it never was or was discarded: the copy is asked. */
async function isInMongo (app: FastifyInstance, { topic, key, event }: SqlWrite, ms: number): Promise<boolean> {
  const isGone = await app.outbox.applied(event, ms)
  const shows = await app.outbox.shows(topic, key, event).catch(() => false)
  if (shows !== undefined) return shows
  return isGone && await app.projections.fence.hasIssued(event)
}

async function isInSql (app: FastifyInstance, { stream, time }: MongoWrite, ms: number): Promise<boolean> {
  const isKnown = app.changeStream.stats().some((known) => known.stream === stream)
  return isKnown && await app.changeStream.reached(stream, time, ms)
}

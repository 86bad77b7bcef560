import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { LeftOut } from './page.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** How often a document was left out of a page because it does not fit the schema, by collection. */
    leftOut: Map<string, number>
  }
}

/** Ids that are remembered, so that the log names each document once. */
const REMEMBERED = 10_000

/** Decorates `app.leftOut`; returns the function that counts what a page has left out, and logs each document once. */
export function reporter (app: FastifyInstance): (left: LeftOut[], log: FastifyBaseLogger) => void {
  const seen = new Set<string>()
  const counts = new Map<string, number>()
  app.decorate('leftOut', counts)
  return function report (left, log) {
    for (const { collection, id, reason } of left) {
      counts.set(collection, (counts.get(collection) ?? 0) + 1)
      const key = `${collection} ${id ?? ''} ${reason}`
      if (seen.has(key) || seen.size >= REMEMBERED) continue
      seen.add(key)
      log.error({ collection, id, reason }, 'a document was left out of a list: correct or delete it')
    }
  }
}

import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { LeftOut } from './page.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** How often a document could not be shown because it does not fit the schema, by collection. */
    leftOut: Map<string, number>
    /** Counts documents that could not be shown, and logs each once. */
    reportLeftOut: (left: LeftOut[], log: FastifyBaseLogger) => void
  }
}

/** Ids that are remembered, so that the log names each document once. */
const REMEMBERED = 10_000

/** Decorates `app.leftOut` and `app.reportLeftOut`. */
export function reportLeftOut (app: FastifyInstance): void {
  const seen = new Set<string>()
  const counts = new Map<string, number>()
  app.decorate('leftOut', counts)
  app.decorate('reportLeftOut', function report (left, log) {
    for (const { collection, id, reason } of left) {
      counts.set(collection, (counts.get(collection) ?? 0) + 1)
      const key = `${collection} ${id ?? ''} ${reason}`
      if (seen.has(key) || seen.size >= REMEMBERED) continue
      seen.add(key)
      log.error(
        { collection, id, reason },
        'a document was left out, for it does not fit its schema: correct or delete it'
      )
    }
  })
}

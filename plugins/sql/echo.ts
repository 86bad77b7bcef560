import type { FastifyInstance } from 'fastify'
import { AsyncLocalStorage } from 'node:async_hooks'

/** Told of each statement that was sent: its text with placeholders, and milliseconds until its answer. */
export type Echo = (statement: string, milliseconds: number) => void

/**
 * `DATABASE_ECHO`: a log line for every statement with its duration and the request it was made for. Values stay out: they
 * are placeholders in the text.
 *
 * @returns undefined when echo is off, so that nothing is measured
 */
export function createEcho (app: FastifyInstance): Echo | undefined {
  if (!app.config.DATABASE_ECHO) return undefined
  const requests = new AsyncLocalStorage<string>()
  app.addHook('onRequest', (request, _reply, done) => {
    requests.run(request.id, done)
  })
  // Reading a body ends the context that onRequest began.
  app.addHook('preValidation', (request, _reply, done) => {
    requests.run(request.id, done)
  })
  return function echo (statement, milliseconds) {
    const reqId = requests.getStore()
    app.log.info({
      ...(reqId === undefined ? {} : { reqId }),
      statement,
      milliseconds: Math.round(milliseconds * 1000) / 1000
    }, 'sql')
  }
}

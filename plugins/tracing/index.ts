import fp from 'fastify-plugin'
import { traceRequests } from './requests.ts'
import { findSdk, flush, type Tracing } from './sdk.ts'
import { withTimeout } from '../common/with-timeout.ts'
import { traceCommands } from './mongo.ts'
import { traceStatements } from './postgres.ts'
import { observeWith } from './transactions.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** OpenTelemetry's API and our tracer; undefined unless the user has started an SDK. */
    tracing: Tracing | undefined
  }
}

const FLUSH_MS = 3000

/**
 * Spans of requests (by @fastify/otel, where it is installed), transactions, SQL statements and MongoDB commands, under
 * OpenTelemetry's stable names. Does nothing unless an SDK was started first. Loaded before plugins/transaction,
 * because
 * @fastify/otel adds an onSend hook that must not come after the COMMIT.
 */
export default fp(async function tracing (app) {
  const found = await findSdk()
  app.decorate('tracing', found)
  if (found === undefined) return
  // The process ends when the app is closed, and with it whatever spans still wait to be sent together.
  app.addHook('onClose', async function sendSpans () {
    const sent = flush(found).catch((error: unknown) => {
      app.log.warn({ err: error }, 'the last spans were not sent')
    })
    await withTimeout(sent, FLUSH_MS, () => {
      app.log.warn('the last spans were not sent in time')
    })
  })
  await traceRequests(app, found)
  app.addHook('onReady', async function traceStores () {
    app.observeTransactions(observeWith(found))
    if (app.hasDecorator('pg')) traceStatements(app.pg.pool, found)
    if (app.mongoPool !== undefined) traceCommands(app.mongo.client, found)
  })
}, { name: 'tracing', dependencies: ['config'], fastify: '5.x' })

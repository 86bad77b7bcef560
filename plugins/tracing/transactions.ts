import type { Observe } from 'fastify-transaction'
import type { Tracing } from './sdk.ts'

/**
 * Observes transactions with a span each, from the first statement to the end; the spans of its statements are inside.
 */
export function observeWith ({ api, tracer }: Tracing): Observe {
  return ({ store, attempt }) => {
    const parent = api.trace.getActiveSpan()
    // Work that belongs to no trace, such as a poll of the outbox, would begin a new one each second.
    if (parent === undefined) return undefined
    const span = tracer.startSpan(`transaction ${store}`, {
      attributes: { 'tandem.transaction.store': store, 'tandem.transaction.attempt': attempt }
    })
    return {
      around: (work) => {
        const context = api.context.active()
        // Inside a span that the handler began itself, the statement belongs there.
        return api.trace.getSpan(context) === parent ? api.context.with(api.trace.setSpan(context, span), work) : work()
      },
      onEnd: ({ outcome, statements }) => {
        span.setAttributes({ 'tandem.transaction.outcome': outcome, 'tandem.transaction.statements': statements })
        if (outcome !== 'committed' && outcome !== 'rolled_back') span.setStatus({ code: api.SpanStatusCode.ERROR })
        span.end()
      }
    }
  }
}

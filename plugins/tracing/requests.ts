import type { FastifyInstance, FastifyRequest } from 'fastify'
import type * as FastifyOtel from '@fastify/otel'
import type { Context, Span } from '@opentelemetry/api'
import { getLoggedPath } from '../common/logged-path.ts'
import { importIfInstalled, type Tracing } from './sdk.ts'

type Otel = { default: typeof FastifyOtel }
type Finish = (status: number | undefined) => void

const PROBES = new Set(['/livez', '/readyz', '/healthz'])

/**
 * Has @fastify/otel make a span per request, unless the user's SDK has put it on the app already, and keeps the handler
 * inside of it. Without @fastify/otel the spans of transactions and statements belong to whatever span is active.
 */
export async function traceRequests (app: FastifyInstance, tracing: Tracing): Promise<void> {
  const spans = new WeakMap<FastifyRequest, Finish>()
  if (!app.hasRequestDecorator('opentelemetry')) {
    const otel = await importIfInstalled<Otel>('@fastify/otel')
    if (otel === undefined) return
    const instrumentation = new otel.default.FastifyOtelInstrumentation({
      // Names of hooks and messages of errors, which may hold values, stay out of the trace.
      instrumentHooks: false,
      instrumentHandler: false,
      recordExceptions: false,
      ignorePaths: ({ url }) => PROBES.has(url),
      requestHook: (span, request) => {
        spans.set(request, hold(span, request, tracing))
      }
    })
    await app.register(instrumentation.plugin())
  }
  const finish = (request: FastifyRequest, status: number | undefined): void => {
    spans.get(request)?.(status)
    spans.delete(request)
  }
  app.addHook('onResponse', function endSpan (request, reply, done) {
    finish(request, reply.statusCode)
    done()
  })
  app.addHook('onRequestAbort', function endAbortedSpan (request, done) {
    finish(request, undefined)
    done()
  })
  keepContext(app, tracing)
}

/** Names the trace in the request's log, and runs everything after the body was read in the context of its span. */
function keepContext (app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', function nameTraceInLog (request, reply, done) {
    const context = tracing.api.trace.getActiveSpan()?.spanContext()
    if (context !== undefined) {
      request.log = reply.log = request.log.child({ trace_id: context.traceId, span_id: context.spanId })
    }
    done()
  })
  // Reading the body ends the asynchronous context that began in onRequest.
  app.addHook('preValidation', function resumeTrace (request, _reply, done) {
    const { context } = request.opentelemetry() as { context: Context | null }
    if (context === null) done()
    else tracing.api.context.with(context, done)
  })
}

/**
 * Keeps a request's span open until the answer has left. @fastify/otel ends it in onSend, before the COMMIT that may
 * still turn the answer into another one, and would call every 4xx an error.
 */
function hold (span: Span, request: FastifyRequest, { api }: Tracing): Finish {
  const end = span.end.bind(span)
  const setStatus = span.setStatus.bind(span)
  span.end = () => {}
  span.setStatus = () => span
  const { url } = request.routeOptions
  span.updateName(url === undefined ? request.method : `${request.method} ${url}`)
  span.setAttribute('url.path', getLoggedPath(request.url))
  return (status) => {
    if (status !== undefined) span.setAttribute('http.response.status_code', status)
    if (status === undefined || status >= 500) {
      span.setAttribute('error.type', status === undefined ? 'aborted' : String(status))
      setStatus({ code: api.SpanStatusCode.ERROR })
    }
    end()
  }
}

import type { Span } from '@opentelemetry/api'
import type { Pool, PoolClient } from 'pg'
import type { Tracing } from './sdk.ts'
import { parseSummary } from './summary.ts'

type Query = (...args: unknown[]) => unknown

/** Gives each statement of a pool's connections a span, where it runs inside of one; BEGIN and COMMIT included. */
export function traceStatements (pool: Pool, tracing: Tracing): void {
  const traced = new WeakSet<PoolClient>()
  pool.on('acquire', (client) => {
    if (traced.has(client) || isInstrumented(client.query)) return
    traced.add(client)
    const query = client.query.bind(client) as Query
    const traceQuery: Query = (...args) => {
      const text = getText(args[0])
      const span = text === undefined ? undefined : begin(text, client, tracing)
      if (span === undefined) return query(...args)
      const end = (error?: unknown) => {
        if (error === undefined || error === null) span.end()
        else fail(span, error, tracing)
      }
      if (isCalledBack(args[0])) endWithCallback(args[0], end)
      const result = query(...args)
      if (result instanceof Promise) {
        result.then(() => {
          end()
        }, end)
      }
      return result
    }
    client.query = traceQuery as PoolClient['query']
  })
}

// @opentelemetry/instrumentation-pg makes the same spans, and marks what it has replaced.
function isInstrumented (query: object): boolean {
  return '__wrapped' in query
}

function begin (text: string, client: PoolClient, { api, tracer }: Tracing): Span | undefined {
  if (api.trace.getActiveSpan() === undefined) return undefined
  const { operation, table, text: summary } = parseSummary(text)
  return tracer.startSpan(summary, {
    kind: api.SpanKind.CLIENT,
    attributes: {
      'db.system.name': 'postgresql',
      'db.operation.name': operation,
      'db.query.summary': summary,
      ...(client.database === undefined ? {} : { 'db.namespace': client.database }),
      ...(table === undefined ? {} : { 'db.collection.name': table })
    }
  })
}

function fail (span: Span, error: unknown, { api }: Tracing): void {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  if (code !== undefined) span.setAttribute('db.response.status_code', code)
  span.setAttribute('error.type', code ?? (error instanceof Error ? error.name : 'Error'))
  span.setStatus({ code: api.SpanStatusCode.ERROR })
  span.end()
}

/** A query of another class than pg's own, which is called back: the BEGIN that travels with a first statement. */
interface CalledBack {
  callback: (error: unknown, ...rest: unknown[]) => void
}

function isCalledBack (statement: unknown): statement is CalledBack {
  return typeof statement === 'object' && statement !== null && 'submit' in statement &&
    'callback' in statement && typeof statement.callback === 'function'
}

function endWithCallback (statement: CalledBack, end: (error: unknown) => void): void {
  const { callback } = statement
  statement.callback = (error, ...rest) => {
    end(error)
    callback(error, ...rest)
  }
}

// Cursors and streams are objects of their own that nobody calls back; they end long after this call.
function getText (statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement
  if (typeof statement !== 'object' || statement === null) return undefined
  if ('submit' in statement && !isCalledBack(statement)) return undefined
  return 'text' in statement && typeof statement.text === 'string' ? statement.text : undefined
}

import { createRequire } from 'node:module'
import type { Span } from '@opentelemetry/api'
import type { CommandFailedEvent, CommandStartedEvent, MongoClient } from 'mongodb'
import type { Tracing } from './sdk.ts'

/** Gives each command of a client a span, where it runs inside of one. The client must monitor its commands. */
export function traceCommands (client: MongoClient, tracing: Tracing): void {
  if (isInstrumented()) return
  const running = new Map<number, Span>()
  const end = (requestId: number, finish?: (span: Span) => void): void => {
    const span = running.get(requestId)
    if (span === undefined) return
    running.delete(requestId)
    finish?.(span)
    span.end()
  }
  client.on('commandStarted', (event) => {
    if (tracing.api.trace.getActiveSpan() !== undefined) running.set(event.requestId, begin(event, tracing))
  })
  client.on('commandSucceeded', ({ requestId }) => {
    end(requestId)
  })
  client.on('commandFailed', (event) => {
    end(event.requestId, (span) => {
      markFailed(span, event, tracing)
    })
  })
}

// @opentelemetry/instrumentation-mongodb makes the same spans, and marks what it has replaced inside the driver.
function isInstrumented (): boolean {
  try {
    const internals: unknown = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js')
    const { Connection } = internals as { Connection: { prototype: { command: object } } }
    return '__wrapped' in Connection.prototype.command
  } catch {
    return false
  }
}

function begin ({ commandName, databaseName, command }: CommandStartedEvent, { api, tracer }: Tracing): Span {
  const target: unknown = command[commandName === 'getMore' ? 'collection' : commandName]
  const collection = typeof target === 'string' ? target : undefined
  const summary = collection === undefined ? commandName : `${commandName} ${collection}`
  return tracer.startSpan(summary, {
    kind: api.SpanKind.CLIENT,
    attributes: {
      'db.system.name': 'mongodb',
      'db.namespace': databaseName,
      'db.operation.name': commandName,
      'db.query.summary': summary,
      ...(collection === undefined ? {} : { 'db.collection.name': collection })
    }
  })
}

function markFailed (span: Span, { failure }: CommandFailedEvent, { api }: Tracing): void {
  const code = 'code' in failure ? String(failure.code) : undefined
  if (code !== undefined) span.setAttribute('db.response.status_code', code)
  span.setAttribute('error.type', code ?? failure.name)
  span.setStatus({ code: api.SpanStatusCode.ERROR })
}

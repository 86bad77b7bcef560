import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Histogram, type Registry } from 'prom-client'

declare module 'fastify' {
  interface FastifyRequest {
    /** When the request arrived, as `performance.now()`; there is no reply to ask when the client leaves before one. */
    arrivedAt: number
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
// The bounds OpenTelemetry advises for http.server.request.duration.
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/**
 * Measures `http.server.request.duration` by method, route pattern and status. `error_type` is the problem type of an
 * answer from 500 up, or `aborted` when the client left without one; the route is empty where none matched.
 * @param getProblemType the problem type a request was answered with
 */
export function measureHttp (
  app: FastifyInstance,
  registry: Registry,
  getProblemType: (request: FastifyRequest) => string | undefined
): void {
  const duration = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'Duration of HTTP requests',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code', 'error_type'],
    buckets: BUCKETS,
    registers: [registry]
  })
  const observe = (request: FastifyRequest, milliseconds: number, status: string, errorType: string): void => {
    duration.observe({
      http_request_method: METHODS.has(request.method) ? request.method : '_OTHER',
      http_route: request.routeOptions.url ?? '',
      http_response_status_code: status,
      error_type: errorType
    }, milliseconds / 1000)
  }
  app.decorateRequest('arrivedAt', 0)
  app.addHook('onRequest', function noteArrival (request, _reply, done) {
    request.arrivedAt = performance.now()
    done()
  })
  app.addHook('onRequestAbort', function measureAborted (request, done) {
    observe(request, performance.now() - request.arrivedAt, '', 'aborted')
    done()
  })
  app.addHook('onResponse', function measureAnswered (request, reply, done) {
    const { statusCode } = reply
    observe(
      request,
      reply.elapsedTime,
      String(statusCode),
      statusCode < 500 ? '' : getProblemType(request) ?? String(statusCode)
    )
    done()
  })
}

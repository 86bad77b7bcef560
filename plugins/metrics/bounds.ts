import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'

const labelNames = ['http_request_method', 'http_route'] as const

/** Measures what the bounds hold back: requests that wait for the turn of their route, and answers that wait to be taken. */
export function measureBounds (app: FastifyInstance, registry: Registry): void {
  const registers = [registry]
  new Gauge({
    name: 'tandem_route_waiting_requests',
    help: 'Requests that wait for the turn of their route',
    labelNames,
    registers,
    collect () {
      for (const [route, { waiting }] of app.concurrency) this.set(getLabels(route), waiting)
    }
  })
  new Gauge({
    name: 'tandem_route_running_requests',
    help: 'Requests of a bounded route that are worked on',
    labelNames,
    registers,
    collect () {
      for (const [route, { inside }] of app.concurrency) this.set(getLabels(route), inside)
    }
  })
  new Counter({
    name: 'tandem_route_refused_total',
    help: 'Requests that were refused because too many waited, or for too long',
    labelNames,
    registers,
    collect () {
      this.reset()
      for (const [route, { refused }] of app.concurrency) this.inc(getLabels(route), refused)
    }
  })
  new Gauge({
    name: 'tandem_answers_in_flight',
    help: 'Answers that their clients have not taken yet',
    registers,
    collect () {
      this.set(app.answersInFlight.count)
    }
  })
}

/** `GET /posts` as the labels of HTTP metrics. */
function getLabels (route: string): Record<typeof labelNames[number], string> {
  const [method = '', path = ''] = route.split(' ')
  return { http_request_method: method, http_route: path }
}

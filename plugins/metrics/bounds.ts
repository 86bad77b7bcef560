import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { FairQueue } from '../common/fair-queue.ts'

const labelNames = ['http_request_method', 'http_route'] as const

interface Measure {
  type: typeof Counter<typeof labelNames[number]> | typeof Gauge<typeof labelNames[number]>
  name: string
  help: string
  value: (queue: FairQueue) => number
}

const MEASURES: Measure[] = [
  {
    type: Gauge,
    name: 'tandem_route_waiting_requests',
    help: 'Requests that wait for the turn of their route',
    value: ({ waiting }) => waiting
  },
  {
    type: Gauge,
    name: 'tandem_route_running_requests',
    help: 'Requests of a bounded route that are worked on',
    value: ({ inside }) => inside
  },
  {
    type: Counter,
    name: 'tandem_route_refused_total',
    help: 'Requests that were refused because too many waited, or for too long',
    value: ({ refused }) => refused
  }
]

/**
 * Measures what the bounds hold back: requests that wait for the turn of their route, and answers that wait to be
 * taken.
 */
export function measureBounds (app: FastifyInstance, registry: Registry): void {
  const registers = [registry]
  for (const { type: Metric, name, help, value } of MEASURES) {
    new Metric({
      name,
      help,
      labelNames,
      registers,
      collect () {
        this.reset()
        for (const [route, queue] of app.concurrency) this.inc(getLabels(route), value(queue))
      }
    })
  }
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

import autocannon from 'autocannon'
import { cpuTime, type Running } from './process.ts'
import type { Route } from './routes.ts'

/** One measurement of one route on one peer. */
export interface Sample {
  requestsPerSecond: number
  /** Processor time of the peer per request, microseconds; undefined where the system does not tell. */
  cpu: number | undefined
  p50: number
  p99: number
  errors: number
}

/** Sends requests for some seconds over keep-alive connections, each as soon as the last one was answered. */
export async function measure (peer: Running, route: Route, connections: number, seconds: number): Promise<Sample> {
  const before = cpuTime(peer.pid)
  const result = await autocannon({
    url: peer.origin,
    connections,
    duration: seconds,
    timeout: 30,
    requests: [{
      method: route.method,
      path: route.path(0),
      setupRequest: (request) => {
        const body = route.body?.()
        return { ...request, path: route.path(Math.random()), ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }) }
      }
    }]
  })
  const after = cpuTime(peer.pid)
  const answered = result['2xx']
  return {
    requestsPerSecond: answered / result.duration,
    cpu: before === undefined || after === undefined || answered === 0 ? undefined : (after - before) * 1000 / answered,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx
  }
}

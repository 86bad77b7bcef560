import autocannon from 'autocannon'
import type { ServerTimes } from './databases.ts'
import { cpuTime, type Running } from './process.ts'
import type { Route } from './routes.ts'

/** One measurement of one route on one peer. */
export interface Sample {
  requestsPerSecond: number
  /** Processor time of the peer per request, microseconds; undefined where the system does not tell. */
  cpu: number | undefined
  /** The same of the database servers, where they are watched. */
  servers: ServerTimes
  p50: number
  p99: number
  errors: number
}

const UNWATCHED: ServerTimes = { postgres: undefined, mongod: undefined }

/**
 * Sends requests over keep-alive connections, each as soon as the last one was answered.
 * @param amount how many. A number and not a time, so that none is cut off and rolled back while the next peer is
 * measured
 * @param watch tells what the database servers have used so far
 */
export async function measure (
  peer: Running,
  route: Route,
  connections: number,
  amount: number,
  watch: () => ServerTimes = () => UNWATCHED
): Promise<Sample> {
  const [before, serversBefore] = [cpuTime(peer.pid), watch()]
  const started = performance.now()
  const result = await autocannon({
    url: peer.origin,
    connections,
    amount: Math.max(amount, connections),
    timeout: 60,
    // It ends at the next tick of its sampler, every second unless told otherwise.
    sampleInt: 10,
    requests: [{
      method: route.method,
      path: route.path(0),
      setupRequest: (request) => {
        const body = route.body?.()
        return {
          ...request,
          path: route.path(Math.random()),
          ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } })
        }
      }
    }]
  })
  const seconds = (performance.now() - started) / 1000
  const [after, serversAfter] = [cpuTime(peer.pid), watch()]
  const answered = result['2xx']
  const each = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined || answered === 0 ? undefined : (to - from) * 1000 / answered
  return {
    requestsPerSecond: answered / seconds,
    cpu: each(before, after),
    servers: {
      postgres: each(serversBefore.postgres, serversAfter.postgres),
      mongod: each(serversBefore.mongod, serversAfter.mongod)
    },
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx
  }
}

/** How long a peer is run before it is measured: until the first of both is reached. */
export interface WarmUp {
  seconds: number
  requests?: number
}

/**
 * How many requests take about so many seconds once the peer is warm.
 * @param warmUp requests before: V8 has compiled what a request runs through only after some thousand of them
 */
export async function amountFor (
  peer: Running,
  route: Route,
  connections: number,
  seconds: number,
  { seconds: longest, requests = Infinity }: WarmUp
): Promise<number> {
  let perSecond = (await measure(peer, route, connections, 2 * connections)).requestsPerSecond
  for (const part of [0.1, 0.9]) {
    perSecond = (await measure(peer, route, connections, Math.ceil(Math.min(perSecond * longest, requests) * part)))
      .requestsPerSecond
  }
  return Math.ceil(perSecond * seconds)
}

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Counter, type Registry } from 'prom-client'
import { toProblem } from '../errors/problem.ts'

/** The last answer of one problem type. */
export interface ProblemRecord {
  type: string
  title: string
  status: number
  /** Answers of this type since the start. */
  count: number
  /** Method and route pattern of the last one. */
  route: string
  /** When, in milliseconds since 1970. */
  at: number
}

/** Counts refused and failed requests by problem type, and remembers the last of each type. */
export function countProblems (app: FastifyInstance, registry: Registry) {
  const counter = new Counter({
    name: 'tandem_problems_total',
    help: 'Requests answered with a problem body because of an error, by problem type',
    labelNames: ['type', 'status'],
    registers: [registry]
  })
  const records = new Map<string, ProblemRecord>()
  const types = new WeakMap<FastifyRequest, string>()
  app.addHook('onError', function countProblem (request, _reply, error, done) {
    const { body } = toProblem(error, request, {})
    const type = body.type.slice(body.type.indexOf('#') + 1)
    const { title, status } = body
    counter.inc({ type, status: String(status) })
    types.set(request, type)
    const route = `${request.method} ${request.routeOptions.url ?? ''}`.trimEnd()
    records.set(type, { type, title, status, route, count: (records.get(type)?.count ?? 0) + 1, at: Date.now() })
    done()
  })
  return {
    getType: (request: FastifyRequest) => types.get(request),
    latest: () => [...records.values()].sort((one, other) => other.at - one.at)
  }
}

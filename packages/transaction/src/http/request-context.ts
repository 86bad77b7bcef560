import type { FastifyRequest } from 'fastify'
import type { Observe } from '../core/observe.ts'
import type { TransactionRoute } from './route.ts'
import type { Handles } from '../handles.ts'

/** What every request of a plugin instance shares. */
export interface RequestContext<Run = unknown> {
  handles: Handles
  retryAfter: number
  /** Milliseconds that a transaction may be open while the body is still arriving; 0: no bound. */
  bodyTimeout: number
  /** Put before route and request id in `application_name`. */
  prefix: string
  afterCommit: (callbacks: Array<() => unknown>) => void
  observe: Observe | undefined
  /** Runs the handler of a route again. */
  runHandler: (run: Run, route: TransactionRoute) => Promise<void>
  /** Stores a run on its request object. */
  setRun: (request: FastifyRequest, run: Run) => void
}

/** Ways to end the wait for a first byte. */
export interface FirstByteWait {
  /** Goes on as if it had come. */
  proceed: () => void
  /** Answers with an error instead. */
  fail: (error: Error) => void
  /** Drops the payload; somebody else answers, or nobody is there. */
  stop: () => void
}

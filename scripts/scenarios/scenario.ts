import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions, RouteOptions } from 'fastify'
import type { PoolConfig } from 'pg'
import type { Expected, Reported } from './client.ts'
import type { Rows, Wishes } from './system.ts'

/** One thing that happens to requests with a transaction: what the routes do, and how clients act. */
export interface Scenario {
  /** Row of the table. Unique. */
  name: string
  /** Options of the Fastify app. Default none. */
  server?: FastifyServerOptions
  /** Speaks HTTP/2. Default false. */
  isHttp2?: boolean
  /** Its requests write in both stores. Default false: in PostgreSQL alone. */
  isInBoth?: boolean
  /** The system is registered without waiting for it. Default false. */
  isUnawaited?: boolean
  /** True where refusing to start, with a sentence, is right too. Default false. */
  mayRefuse?: boolean
  /** What the app wants of the system beside transactions. Default nothing. */
  wishes?: Wishes
  /** Options of the pool. Default: five connections, three seconds of waiting for one. */
  pool?: PoolConfig
  /** Adds the routes. */
  routes: (fixture: Fixture) => void
  /** What the clients do. Default: one POST with a JSON body to `/`, of which this is expected. */
  act: Expected | ((client: Client) => Promise<unknown>)
  /** True where no connection is needed, or none while the clients act. Default false. */
  needsNoConnection?: boolean
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

/** What routes are made with. */
export interface Fixture {
  /** The app, for its hooks and error handlers. */
  app: FastifyInstance
  /** Adds a route with the system's options; by default POST to `/`. */
  route: (handler: Handler, options?: Partial<RouteOptions>) => void
  /** The same, serializable and run again after a conflict where the system can do that. */
  retriedRoute: (handler: Handler, options?: Partial<RouteOptions>) => void
  /** A route of a tenant, who is known to `app.tenant` in its statements. */
  tenantRoute: (tenant: (request: FastifyRequest) => Promise<string>, handler: Handler) => void
  /** One statement in the request's transaction. */
  query: (request: FastifyRequest, text: string) => Promise<Rows>
  /** Stores a row in the request's transaction; the verdict is about these rows. */
  insert: (request: FastifyRequest, id: number) => Promise<Rows>
  /** Stores a document in the request's transaction; the verdict is about these as well, so ids differ from those of rows. */
  insertDocument: (request: FastifyRequest, id: number) => Promise<unknown>
  /** Stores rows by what code is given that knows of no transaction: a repository's handle. */
  handle: (request: FastifyRequest) => { insert: (id: number) => Promise<unknown> }
  /** Commits now. */
  commit: (request: FastifyRequest) => Promise<unknown>
  /** A point in time that routes and clients wait for by its name. */
  step: (name: string) => Step
  /** Closes the app, as on SIGTERM. */
  close: () => Promise<void>
}

/** `reached()` once or more; whoever awaits `wait` goes on then, or after five seconds. */
export interface Step {
  reached: () => void
  wait: Promise<unknown>
}

/** A request on its way. */
export interface Sent {
  reported: Promise<Reported>
  abort: () => Promise<void>
}

/**
 * A socket. `first` resolves with the first byte of the answer; `leave` destroys it, and resolves when the server
 * knows.
 */
export interface RawSocket {
  first: Promise<unknown>
  write: (bytes: string) => void
  destroy: () => void
  leave: () => Promise<void>
}

/** What clients act with. */
export interface Client extends Pick<Fixture, 'step'> {
  /** Sends a request over a socket of its own; every method but GET and HEAD carries a JSON body. */
  send: (method: string, path: string, expected: Expected) => Sent
  /** Sends a POST by HTTP/2; `reset` takes it back, and resolves when the server knows. */
  sendHttp2: (path: string, expected: Expected) => { reported: Promise<Reported>; reset: () => Promise<void> }
  /** Opens a socket and writes bytes to it. */
  raw: (bytes: string) => RawSocket
  /** Waits until something is true, for at most five seconds or as said. */
  until: (isTrue: () => boolean | Promise<boolean>, milliseconds?: number) => Promise<boolean>
  /** Connections that are checked out, and requests that wait for one. */
  pool: () => { checkedOut: number; waiting: number }
  /** Adds a code to the verdict. */
  note: (code: Code) => void
  /** Is a statement of the app running that contains this text? */
  isRunning: (text: string) => Promise<boolean>
  /** Ends the app's database sessions that are in a state, and whose statement contains a text. */
  kill: (state: 'active' | 'idle' | 'idle in transaction', text?: string) => Promise<void>
  /** Rows of a statement over a connection that is not the app's. */
  look: (text: string) => Promise<Array<Record<string, unknown>>>
}

/** What may be wrong, and what it means; the order is that of the table. */
export const CODES = {
  LIE: 'told 2xx, and not everything is stored',
  P: 'not told 2xx, and yet something is stored',
  LATE: 'stored what was written after the reply',
  O: 'told 2xx before COMMIT was answered',
  X: 'the process crashed',
  K: 'a connection is left checked out or in an open transaction, or the next request gets none',
  S: 'the answer comes late, or a statement runs on that nobody waits for',
  E: 'another answer than the right one, for example 500 where another try would work',
  C: 'a connection is taken or held that is not needed'
} as const

export type Code = keyof typeof CODES

import type { FastifyInstance, FastifyRequest, FastifyServerOptions, RouteShorthandOptions } from 'fastify'
import type pg from 'pg'
import type { Send } from './http.ts'

/** What a transaction should be like; a design may not be able to honour all of it. */
export interface Wish { isolationLevel?: 'serializable', retries?: number }

/**
 * A way of giving each request a transaction. A module of your own exports these names; run it with
 * `npm run scenarios -- --app ./my-plugin.ts`.
 */
export interface Design {
  /** Heading of its column. */
  name: string
  /** Registers everything on a bare app and returns the pool that requests use. The pool is ended by the scenario, unless the design does. */
  register: (app: FastifyInstance, config: pg.PoolConfig) => Promise<pg.Pool>
  /** Options of a route whose requests shall have a transaction each. */
  route: (wish: Wish) => RouteShorthandOptions
  /** Sends a statement in the transaction of a request. */
  query: (request: FastifyRequest, text: string, values?: unknown[]) => Promise<pg.QueryResult>
}

/** What may be wrong, from the client's point of view. */
export type Finding =
  | 'lie' // a 2xx or 3xx, and the work is not stored
  | 'kept' // no success was told, and the work is stored
  | 'early' // the first byte of a success left before COMMIT was answered
  | 'late' // what was written after the reply is stored
  | 'foreign' // the work of another request was changed
  | 'leak' // a connection or an open transaction stays behind
  | 'crash' // the process ended
  | 'slow' // a statement or a connection is kept although nobody waits
  | 'hang' // nobody ever answers
  | 'wrong' // another status than this situation calls for

/** One scenario's app while it runs. */
export interface Ground {
  app: FastifyInstance
  pool: pg.Pool
  send: Send
  origin: string
  /** Connections of the test's own. */
  admin: pg.Pool
  /** Every connection the pool has opened. */
  clients: pg.PoolClient[]
  query: Design['query']
  /** Inserts a row whose presence afterwards tells what was committed. */
  insert: (request: FastifyRequest, id: number) => Promise<unknown>
  ids: () => Promise<number[]>
  /** `COMMIT`, `COMMIT answered` and `byte` in the order they happened. */
  events: string[]
  /** Resolves when the server runs a statement with this text; gives its process. */
  running: (text: string) => Promise<number | undefined>
}

export interface Scenario {
  name: string
  pool?: pg.PoolConfig
  fastify?: FastifyServerOptions
  /** Declares the routes. */
  routes: (ground: Ground, route: Design['route']) => void
  run: (ground: Ground) => Promise<Finding[]>
  /** True where the app itself is closed by the scenario. */
  closes?: boolean
}

import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { clusterTime } from 'fastify-change-stream'
import type { ReplyAddition, Transaction } from 'fastify-transaction'
import { preferredWait } from './prefer.ts'
import { mongoToken, parseTokens, sqlToken, type Wanted } from './token.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Names the outbox event that this request's transaction has written, for `Consistency-Token` and `Prefer: wait`. Events of
     * triggers are found without it: by the `version` of the row that is answered, or after a DELETE.
     * @param id what `app.outbox.enqueue` returned
     */
    announceEvent: (id: string) => void
  }
  interface FastifyInstance {
    /** Waits until writes are in the other store; see docs/two-databases.md. */
    awaitProjections: (wanted: Wanted, ms: number) => Promise<boolean>
  }
}

const HEADER = 'consistency-token'
/** How long a read waits for the writes it asks for, unless it prefers another time. */
const READ_WAIT_MS = 1000
/** How long a repeated write that is half until the other store has it waits for an answer to whether it has. */
const REPEAT_WAIT_MS = 250
const announced = Symbol('consistency.announced')

/** The event of a transaction: a new attempt of a handler has a new transaction, and with it another event. */
interface WithEvent {
  [announced]: { transaction: Transaction; id: string } | null
}

const SAFE: HTTPMethods[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE']

/**
 * Read your own write. A write answers with a `Consistency-Token`; a read that sends it back waits, for a bounded time, until the
 * other store has that write, and answers with the token if it has. `Prefer: wait=N` on a write waits there and then.
 */
export default fp(async function consistency (app) {
  app.decorateRequest(announced, null)
  app.decorateRequest('announceEvent', function announceEvent (id) {
    setEvent(this, id)
  })
  app.decorate('awaitProjections', (wanted, ms) => awaitProjections(app, wanted, ms))
  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat() as HTTPMethods[]
    if (methods.every((method) => SAFE.includes(method))) return addReader(route)
    if (!isTransactional(route)) return
    // SQLite's triggers run after RETURNING has read the row.
    if (app.sqlite === undefined) route.preSerialization = [...[route.preSerialization ?? []].flat(), noteVersion]
    route.onSend = [announce, ...[route.onSend ?? []].flat()]
  })
}, { name: 'read-your-writes', dependencies: ['transaction', 'projections'], fastify: '5.x' })

/** The same rule as plugins/transaction.ts: on for unsafe methods. A single statement is committed before it could be announced. */
function isTransactional ({ config }: RouteOptions): boolean {
  return config?.transaction !== false && config?.transaction !== 'statement'
}

function addReader (route: RouteOptions): void {
  route.preHandler = [awaitOwnWrites, ...[route.preHandler ?? []].flat()]
}

function awaitOwnWrites (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  const header = request.headers[HEADER]
  if (header === undefined) return done()
  const wanted = parseTokens([header].flat().join())
  if (wanted === undefined) {
    const errors = [{
      pointer: `/${HEADER}`,
      detail: 'must be up to 8 tokens from Consistency-Token headers of this service',
      in: 'header' as const
    }]
    return done(
      request.server.createProblem(400, 'The header Consistency-Token is not from this service', {
        type: 'invalid-request',
        errors
      })
    )
  }
  const seconds = preferredWait(request.headers.prefer)
  request.server.awaitProjections(wanted, seconds === undefined ? READ_WAIT_MS : seconds * 1000).then((isThere) => {
    if (isThere) reply.header(HEADER, [header].flat().join(', '))
    done()
  }, done)
}

async function awaitProjections (app: FastifyInstance, { sql, mongo }: Wanted, ms: number): Promise<boolean> {
  if (!app.hasDecorator('outbox')) return false // doubles in place of the databases
  const waits = [
    ...sql.map((id) => app.outbox.applied(id, ms)),
    ...mongo.flatMap((time) => app.changeStream.stats().map(({ stream }) => app.changeStream.reached(stream, time, ms)))
  ]
  return (await Promise.all(waits)).every(Boolean)
}

/** Rows of tables whose triggers write events carry the event's id as `version`; it is not part of any answer. */
function noteVersion (
  request: FastifyRequest,
  _reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void
): void {
  if (
    typeof payload === 'object' && payload !== null && 'version' in payload && sqlToken(payload.version) !== undefined
  ) {
    setEvent(request, String(payload.version))
  }
  done(null, payload)
}

/** Runs inside the transaction, before it commits: asks for the id of an event that no row carries. */
function announce (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void
): void {
  if (reply.statusCode >= 400) return done(null, payload)
  const { server, transaction } = request
  const takesStatements = transaction.state === 'open' && transaction.settled === undefined &&
    !transaction.isRollbackOnly
  const isUnknown = transaction.store === 'sql' && takesStatements && !isRepeat(reply) &&
    getEvent(request) === undefined
  transaction.beforeReply(() => complete(request, reply, transaction))
  if (!isUnknown || (request.method !== 'DELETE' && server.sqlite === undefined)) return done(null, payload)
  ownEvent(server, transaction).then((id) => {
    if (id !== undefined) setEvent(request, id)
    done(null, payload)
  }, done)
}

/** The newest event that this transaction has written. */
async function ownEvent (app: FastifyInstance, transaction: Transaction): Promise<string | undefined> {
  const text = app.sqlite === undefined
    ? 'SELECT id::text AS id FROM (SELECT id, xmin FROM outbox ORDER BY id DESC LIMIT 100) AS newest WHERE xmin::text = (pg_current_xact_id()::xid)::text ORDER BY newest.id DESC LIMIT 1'
    : "SELECT CAST(seq AS text) AS id FROM sqlite_sequence WHERE name = 'outbox'"
  const { rows } = await transaction.query<{ id: string }>(text)
  return rows[0]?.id
}

/** After the COMMIT: has the event carried over at once, waits if the client prefers that, and hands out the token. */
async function complete (
  request: FastifyRequest,
  reply: FastifyReply,
  transaction: Transaction
): Promise<ReplyAddition | undefined> {
  const { server } = request
  const wanted = getWrites(request, transaction)
  if (wanted === undefined) return undefined
  if (wanted.sql.length > 0 && server.hasDecorator('outbox')) server.outbox.wake()
  const seconds = preferredWait(request.headers.prefer)
  const wait = seconds === undefined ? unaskedWait(request, reply) : seconds * 1000
  const isThere = wait !== undefined && await server.awaitProjections(wanted, wait)
  const isHalf = isCrossStore(request) && reply.statusCode === 201 && !isThere
  return {
    ...(isHalf ? { status: 202 } : {}),
    headers: {
      [HEADER]: [...wanted.sql.map(sqlToken), ...wanted.mongo.map(mongoToken)].join(),
      ...(isThere && seconds !== undefined ? { 'preference-applied': `wait=${seconds}` } : {})
    }
  }
}

// A repeat comes when the event is applied, most likely: then the first 202 has become a 201.
function unaskedWait (request: FastifyRequest, reply: FastifyReply): number | undefined {
  return isCrossStore(request) && isRepeat(reply) ? REPEAT_WAIT_MS : undefined
}

function isRepeat (reply: FastifyReply): boolean {
  return reply.hasHeader('idempotency-replayed')
}

/**
 * The token of what a request's transaction has written in SQL; undefined while nothing is known of it, and for MongoDB before the COMMIT.
 */
export function getToken (request: FastifyRequest): string | undefined {
  return sqlToken(getEvent(request))
}

function getWrites (request: FastifyRequest, transaction: Transaction): Wanted | undefined {
  const event = getEvent(request)
  if (event !== undefined) return { sql: [event], mongo: [] }
  const time = transaction.store === 'mongo' ? transaction.operationTime : undefined
  return time === undefined ? undefined : { sql: [], mongo: [clusterTime(time)] }
}

/** A route that makes truth in both stores has created only half of it until the event is applied. */
function isCrossStore ({ routeOptions }: FastifyRequest): boolean {
  const { transaction } = routeOptions.config
  return typeof transaction === 'object' && transaction.crossStore === 'outbox'
}

// On the request and not in a WeakMap, whose entries make each garbage collection longer.
function setEvent (request: FastifyRequest, id: string): void {
  ;(request as FastifyRequest & WithEvent)[announced] = { transaction: request.transaction, id }
}

function getEvent (request: FastifyRequest): string | undefined {
  const event = (request as FastifyRequest & WithEvent)[announced]
  return event?.transaction === request.transaction ? event.id : undefined
}

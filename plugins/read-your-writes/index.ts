import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { clusterTime } from 'fastify-change-stream'
import type { ReplyAddition, Transaction } from 'fastify-transaction'
import { isSafe, runFirst } from '../common/route-hooks.ts'
import { awaitProjections } from './confirm.ts'
import { preferredWait } from './prefer.ts'
import { announced, getTimeline, getWrite, setWrite } from './write.ts'
import { isEvent, mongoToken, parseTokens, sqlToken, type Wanted } from './token.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Names the outbox event that this request's transaction has written, for `Consistency-Token` and `Prefer: wait`.
     * Events of triggers are found without it, on routes that declare `config.announces`.
     * @param id what `app.outbox.enqueue` returned
     */
    announceEvent: (id: string) => void
  }
  interface FastifyContextConfig {
    /**
     * The topic of the events that triggers write about the row this route answers or deletes, such as `users`: the
     * answer then names the write by a token. The row carries its key as `id` and the event's id as `version`; a DELETE
     * has the key as `:id`.
     */
    announces?: string
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

/**
 * Read your own write. A write answers with a `Consistency-Token`; a read that sends it back waits, for a bounded time,
 * until the other store has that write, and answers with the token if it has. `Prefer: wait=N` on a write waits there
 * and then.
 */
export default fp(async function readYourWrites (app) {
  app.decorateRequest(announced, null)
  app.decorateRequest('announceEvent', function announceEvent (id) {
    const event = app.hasDecorator('outbox') ? app.outbox.find(id) : undefined
    if (event !== undefined) setWrite(this, { ...event, event: id })
  })
  app.decorate('awaitProjections', (wanted, ms) => awaitProjections(app, wanted, ms))
  const topics = new Set<string>()
  app.addHook('onReady', async function checkTopics () {
    if (!app.hasDecorator('outbox')) return
    const known = app.outbox.stats().map(({ topic }) => topic)
    for (const topic of topics) {
      if (known.includes(topic)) continue
      throw new Error(
        `a route declares config.announces '${topic}', and no outbox topic has this name: known are ${known.join(', ')}`
      )
    }
  })
  app.addHook('onRoute', (route) => {
    if (isSafe(route)) return runFirst(route, awaitOwnWrites)
    if (!isTransactional(route)) return
    if (route.config?.announces !== undefined) {
      topics.add(route.config.announces)
      route.preSerialization = [...[route.preSerialization ?? []].flat(), noteVersion]
    }
    route.onSend = [announce, ...[route.onSend ?? []].flat()]
  })
}, { name: 'read-your-writes', dependencies: ['transaction', 'projections'], fastify: '5.x' })

/**
 * The same rule as plugins/transaction.ts: on for unsafe methods. A single statement is committed before it could be
 * announced.
 */
function isTransactional ({ config }: RouteOptions): boolean {
  return config?.transaction !== false && config?.transaction !== 'statement'
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

/** Rows of tables whose triggers write events carry the event's id as `version`; it is not part of any answer. */
function noteVersion (
  request: FastifyRequest,
  _reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void
): void {
  const topic = request.routeOptions.config.announces
  if (
    topic !== undefined && typeof payload === 'object' && payload !== null && 'version' in payload && 'id' in payload
  ) {
    const { id, version } = payload
    if (isEvent(version)) setWrite(request, { topic, key: String(id), event: String(version) })
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
  const { transaction, routeOptions: { config: { announces } } } = request
  const takesStatements = transaction.state === 'open' && transaction.settled === undefined &&
    !transaction.isRollbackOnly
  transaction.beforeReply(() => complete(request, reply, transaction))
  const isUnknown = announces !== undefined && takesStatements && !isRepeat(reply) && getWrite(request) === undefined
  const key = request.method === 'DELETE' ? getKey(request) : undefined
  if (!isUnknown || key === undefined) return done(null, payload)
  newestEvent(transaction, announces, key).then((event) => {
    if (event !== undefined) setWrite(request, { topic: announces, key, event })
    done(null, payload)
  }, done)
}

function getKey ({ params }: FastifyRequest): string | undefined {
  const id = typeof params === 'object' && params !== null && 'id' in params ? params.id : undefined
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined
}

/** The newest event about a thing: this transaction has written one. */
async function newestEvent (transaction: Transaction, topic: string, key: string): Promise<string | undefined> {
  const text = 'SELECT CAST(max(id) AS text) AS id FROM outbox WHERE topic = $1 AND key = $2'
  const { rows } = await transaction.query<{ id: string | null }>(text, [topic, key])
  return rows[0]?.id ?? undefined
}

/** After the COMMIT: has the event carried over at once, waits if the client prefers that, and hands out the token. */
function complete (
  request: FastifyRequest,
  reply: FastifyReply,
  transaction: Transaction
): ReplyAddition | Promise<ReplyAddition> | undefined {
  const { server } = request
  const wanted = getWrites(request, transaction)
  if (wanted.sql.length + wanted.mongo.length === 0) return undefined
  if (wanted.sql.length > 0 && 'outbox' in server) server.outbox.wake()
  const seconds = preferredWait(request.headers.prefer)
  const wait = seconds === undefined ? unaskedWait(request, reply) : seconds * 1000
  function toAddition (isThere: boolean): ReplyAddition {
    const tokens = wanted.sql.map(sqlToken).concat(wanted.mongo.map(mongoToken))
    const headers: Record<string, string> = { [HEADER]: tokens.join() }
    if (isThere && seconds !== undefined) headers['preference-applied'] = `wait=${seconds}`
    const isHalf = isCrossStore(request) && reply.statusCode === 201 && !isThere
    return isHalf ? { status: 202, headers } : { headers }
  }
  return wait === undefined ? toAddition(false) : server.awaitProjections(wanted, wait).then(toAddition)
}

// A repeat comes when the event is applied, most likely: then the first 202 has become a 201.
function unaskedWait (request: FastifyRequest, reply: FastifyReply): number | undefined {
  return isCrossStore(request) && isRepeat(reply) ? REPEAT_WAIT_MS : undefined
}

function isRepeat (reply: FastifyReply): boolean {
  return reply.hasHeader('idempotency-replayed')
}

/**
 * The token of what a request's transaction has written in SQL; undefined while nothing is known of it, and for
 * MongoDB.
 */
export function getToken (request: FastifyRequest): string | undefined {
  const write = getWrite(request)
  return write && sqlToken(write)
}

/** Takes over the write of an answer that is given again. */
export function resumeToken (request: FastifyRequest, token: string | undefined): void {
  const [write] = token === undefined ? [] : parseTokens(token)?.sql ?? []
  if (write !== undefined) setWrite(request, write)
}

/** The streams that carry collections which a transaction in MongoDB has written. */
export function findStreams ({ server, transaction }: FastifyRequest): string[] {
  if (!('changeStream' in server)) return []
  return server.changeStream.findStreams(transaction.writtenCollections)
}

/** The tokens of a moment in streams. */
export function mongoTokens (app: FastifyInstance, streams: string[], time: string): string | undefined {
  const timeline = getTimeline(app)
  if (timeline === undefined || streams.length === 0) return undefined
  return streams.map((stream) => mongoToken({ stream, timeline, time })).join()
}

function getWrites (request: FastifyRequest, transaction: Transaction): Wanted {
  const write = getWrite(request)
  const sql = write === undefined ? [] : [write]
  const timeline = getTimeline(request.server)
  const time = transaction.operationTime
  if (time === undefined || timeline === undefined) return { sql, mongo: [] }
  return { sql, mongo: findStreams(request).map((stream) => ({ stream, timeline, time: clusterTime(time) })) }
}

/** A route that makes truth in both stores has created only half of it until the event is applied. */
function isCrossStore ({ routeOptions }: FastifyRequest): boolean {
  const { transaction } = routeOptions.config
  return typeof transaction === 'object' && transaction.crossStore === 'outbox'
}

import { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clonePlain, NOT_PLAIN } from './clone-plain.ts'
import { isBodyUnread } from './client-gone.ts'
import { copyHeaders, restoreReply } from './reply-headers.ts'
import type { Scope } from './scope.ts'
import type { Transaction } from './transaction.ts'
import type { TransactionalRequest } from './transactional-request.ts'

/** One run of a handler: a request, a reply and a transaction that belong to it alone. */
export interface HandlerRun {
  readonly owner: TransactionalRequest
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly scope: Scope
  readonly transaction: Transaction
  /** A later run has begun: what this one still does is ignored or refused. */
  isSuperseded: boolean
}

/** Request and reply as they were before the handler began, for the next run to start from. */
export interface Snapshot {
  request: object
  body: unknown
  query: unknown
  params: unknown
  rawHeaders: NodeJS.Dict<string | string[]>
  reply: object
  status: number
  headers: Record<string, unknown>
}

/** @returns undefined where a second run could not be given the same request: its body is a stream, or more than data */
export function takeSnapshot (request: FastifyRequest, reply: FastifyReply): Snapshot | undefined {
  const body = clonePlain(request.body)
  const query = clonePlain(request.query)
  if (body === NOT_PLAIN || query === NOT_PLAIN || isBodyUnread(request.raw)) return undefined
  return {
    request: Object.assign({}, request),
    body,
    query,
    params: clonePlain(request.params),
    rawHeaders: { ...request.raw.headers },
    reply: separateHeaders(Object.assign({}, reply)),
    status: reply.statusCode,
    headers: copyHeaders(reply)
  }
}

/** A request and a reply for the next run, as Fastify would have made them, in the state of the snapshot. */
export function makeNext (previous: HandlerRun, snapshot: Snapshot): { request: FastifyRequest, reply: FastifyReply } {
  const request = Object.assign(Object.create(Object.getPrototypeOf(previous.request) as object) as FastifyRequest, snapshot.request, {
    body: clonePlain(snapshot.body),
    query: clonePlain(snapshot.query),
    params: clonePlain(snapshot.params)
  })
  setHeaders(request.raw.headers, snapshot.rawHeaders)
  const reply = Object.assign(Object.create(Object.getPrototypeOf(previous.reply) as object) as FastifyReply, snapshot.reply, { request })
  restoreReply(separateHeaders(reply), snapshot.status, snapshot.headers)
  return { request, reply }
}

/** Cuts a run off from the response: nothing that its code still sends or sets can reach the client. */
export function supersede (run: HandlerRun, onHandlerTimeout: (error: Error) => void): void {
  run.isSuperseded = true
  const { reply } = run
  reply.raw = new ServerResponse(run.request.raw).on('error', () => {})
  reply.send = function sendAfterRun (payload?: unknown) {
    // Fastify's own timer knows only the first reply.
    if (payload instanceof Error && 'code' in payload && payload.code === 'FST_ERR_HANDLER_TIMEOUT') onHandlerTimeout(payload)
    return reply
  }
}

/** Lets onResponse hooks and the request's log line, which know the first request and reply, see how the last run ended. */
export function showOutcome (first: HandlerRun, last: HandlerRun): void {
  const { send: _send, hijack: _hijack, ...reply } = last.reply
  Object.assign(first.reply, reply, { request: first.request })
  Object.assign(first.request, last.request)
}

function setHeaders (headers: NodeJS.Dict<string | string[]>, values: NodeJS.Dict<string | string[]>): void {
  for (const name of Object.keys(headers)) if (!(name in values)) Reflect.deleteProperty(headers, name)
  Object.assign(headers, values)
}

/** Fastify keeps headers and trailers in plain objects that two runs must not share. */
function separateHeaders<Reply extends object> (reply: Reply): Reply {
  for (const key of Object.getOwnPropertySymbols(reply)) {
    const value: unknown = Reflect.get(reply, key)
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) Reflect.set(reply, key, { ...value })
  }
  return reply
}

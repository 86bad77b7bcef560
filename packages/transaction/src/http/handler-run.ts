import { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clonePlain, holdsSymbols, NOT_PLAIN, type Copies } from './clone-plain.ts'
import { isBodyUnread } from './client-gone.ts'
import { holdsConsumable } from './consumable.ts'
import { copyHeaders, noHeaders, restoreReply } from '../payload/reply-headers.ts'
import { TransactionUsageError } from '../errors.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'
import type { Transaction } from '../transaction.ts'

/** One run of a handler: a request, a reply and a transaction that belong to it alone. */
export interface HandlerRun<Owner = unknown> {
  /** The request that this is a run of. */
  readonly owner: Owner
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly tx: LazyTransaction
  readonly transaction: Transaction
  /** A later run has begun: what this one still does is ignored or refused. */
  isSuperseded: boolean
}

/** Request and reply as they were before the handler began, for the next run to start from. */
export interface Snapshot {
  request: Record<string, unknown>
  rawHeaders: NodeJS.Dict<string | string[]>
  reply: Record<string, unknown>
  status: number
  headers: Record<string, unknown>
}

/** Status and headers of a reply as they are. */
export function copyStatusAndHeaders (reply: FastifyReply): Pick<Snapshot, 'status' | 'headers'> {
  return { status: reply.statusCode, headers: copyHeaders(reply) }
}

/**
 * @param before status and headers of the reply
 * @returns why a second run could not be given the same request and reply, or a snapshot to make them from
 */
export function takeSnapshot (
  request: FastifyRequest,
  reply: FastifyReply,
  before: Pick<Snapshot, 'status' | 'headers'>
): Snapshot | string {
  if (isBodyUnread(request.raw)) return 'the body is a stream, which could not be read again'
  const prototype = Object.getPrototypeOf(reply) as object
  const method = findOwnMethods(reply).find((key) => key in prototype)
  if (method !== undefined) {
    return `a hook has replaced the reply's method ${method}(), which would answer for the run that lost`
  }
  const usedUp: string[] = []
  const ownRequest = copyOwn(request, usedUp)
  const ownReply = copyOwn(reply, usedUp)
  if (isShared(ownRequest, request, 'body') || isShared(ownRequest, request, 'query')) {
    return 'body or query are more than plain data'
  }
  const [name] = usedUp
  if (name !== undefined) {
    return `request or reply have a stream, an iterator or an uploaded file (${name}), which a second run would find used up`
  }
  return { request: ownRequest, rawHeaders: { ...request.raw.headers }, reply: ownReply, ...before }
}

function isShared (copy: Record<string, unknown>, request: FastifyRequest, key: 'body' | 'query'): boolean {
  const value: unknown = request[key]
  return (typeof value === 'object' || typeof value === 'function') && value !== null && copy[key] === value
}

/** A request and a reply for the next run, as Fastify would have made them, in the state of the snapshot. */
export function makeNext (previous: HandlerRun, snapshot: Snapshot): { request: FastifyRequest; reply: FastifyReply } {
  const request = create(previous.request, copyOwn(snapshot.request))
  const reply = create(previous.reply, { ...copyOwn(snapshot.reply), ...noHeaders(previous.reply), request })
  for (const key of findOwnMethods(snapshot.reply)) Reflect.set(reply, key, refuseMethod(key))
  restore({ request, reply }, snapshot)
  return { request, reply }
}

function findOwnMethods (reply: object): string[] {
  return Object.keys(reply).filter((key) => typeof Reflect.get(reply, key) === 'function')
}

/** A method that a hook has put on the first reply, as @fastify/helmet does, most likely works on that one. */
function refuseMethod (name: string): () => never {
  return function methodOfFirstReply () {
    throw new TransactionUsageError(
      `reply.${name}() was made by a hook for the first run of the handler and cannot be used when it runs again; use it in a hook, or set retries: 0 on the route`
    )
  }
}

/** Puts what all runs share back to the state of the snapshot: status, headers of the reply and of the request. */
export function restore (
  { request, reply }: Pick<HandlerRun, 'request' | 'reply'>,
  { status, headers, rawHeaders }: Snapshot
): void {
  setHeaders(request.raw.headers, rawHeaders)
  restoreReply(reply, status, headers)
}

/** Cuts a run off from the response: nothing that its code still sends or sets can reach the client. */
export function supersede (run: HandlerRun, onHandlerTimeout: (error: Error) => void): void {
  run.isSuperseded = true
  const { reply } = run
  reply.raw = new ServerResponse(run.request.raw).on('error', () => {})
  reply.send = function sendAfterRun (payload?: unknown) {
    // Fastify's own timer knows only the first reply.
    if (payload instanceof Error && 'code' in payload && payload.code === 'FST_ERR_HANDLER_TIMEOUT') {
      onHandlerTimeout(payload)
    }
    return reply
  }
  // Fastify would stop that timer, which the next run has as well.
  reply.hijack = function hijackAfterRun () {
    return reply
  }
}

/**
 * Lets onResponse hooks and the request's log line, which know the first request and reply, see how the last run ended.
 */
export function showOutcome (first: HandlerRun, last: HandlerRun): void {
  const { send: _send, hijack: _hijack, ...reply } = last.reply
  Object.assign(first.reply, reply, { request: first.request })
  Object.assign(first.request, last.request)
}

function create<Value extends object> (previous: Value, own: object): Value {
  return Object.assign(Object.create(Object.getPrototypeOf(previous) as object) as Value, own)
}

/**
 * Own properties that Fastify and this plugin give to every run anew, that the snapshot has apart, or that belong to the
 * connection; symbols by their descriptions.
 */
const givenToEveryRun = new Set([
  'raw',
  'log',
  'fastify.context',
  'fastify.RequestPayloadStream',
  'fastify.reply.headers',
  'transaction.run',
  'transaction.reply'
])

/** What parsers make has no symbols. */
const fromParsers = new Set(['body', 'query', 'params'])

/**
 * All that a request or a reply has beside its prototype. Data is copied, so that two runs do not share what they
 * change; objects of a class stay the same.
 *
 * @param usedUp gets the names of what a run would use up
 */
function copyOwn (source: object, usedUp?: string[]): Record<string, unknown> {
  const copy = { ...source } as Record<string | symbol, unknown>
  const copies: Copies = new Map()
  for (const key in copy) copyProperty(copy, key, copies, usedUp)
  for (const key of Object.getOwnPropertySymbols(copy)) copyProperty(copy, key, copies, usedUp)
  return copy
}

function copyProperty (
  copy: Record<string | symbol, unknown>,
  key: string | symbol,
  copies: Copies,
  usedUp: string[] | undefined
): void {
  const value = copy[key]
  if (typeof value !== 'object' || value === null) return
  const name = typeof key === 'symbol' ? key.description ?? '' : key
  if (givenToEveryRun.has(name) || (key === 'request' && 'routeOptions' in value)) return
  const data = clonePlain(value, copies)
  if (data !== NOT_PLAIN) {
    copy[key] = data
    if (usedUp === undefined || fromParsers.has(name) || !holdsSymbols(data)) return
  }
  // Fastify's own, such as trailers, which are functions in a plain object.
  if (data === NOT_PLAIN && typeof key === 'symbol' && Object.getPrototypeOf(value) === Object.prototype) {
    copy[key] = { ...value }
  }
  if (usedUp !== undefined && holdsConsumable(value)) usedUp.push(name)
}

function setHeaders (headers: NodeJS.Dict<string | string[]>, values: NodeJS.Dict<string | string[]>): void {
  for (const name of Object.keys(headers)) if (!(name in values)) Reflect.deleteProperty(headers, name)
  Object.assign(headers, values)
}

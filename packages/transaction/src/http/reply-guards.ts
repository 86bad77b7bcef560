import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from '../errors.ts'
import type { ErrorHandlerRecord } from './error-handlers.ts'
import type { TransactionRoute } from './route.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'

/** What the guards need to know of a request while its transaction is open. */
interface Guarded {
  readonly reply: FastifyReply
  readonly route: TransactionRoute
  readonly tx: LazyTransaction
  readonly isGuarded: boolean
  readonly isPausing: boolean
  readonly isRefused: boolean
  readonly isWriting: boolean
  readonly settling: 'commit' | 'rollback' | undefined
  readonly isRefusing: boolean
  readonly errorHandlers: ErrorHandlerRecord
  isAnswering: boolean
  canRetry: (error: unknown) => boolean
  refuse: (error: Error) => void
  runAgain: () => void
}

/** The guards of a request's current reply. */
export class ReplyGuards {
  readonly #transactional: Guarded
  #unguard: (() => void) | undefined
  #unwatch: (() => void) | undefined

  constructor (transactional: Guarded) {
    this.#transactional = transactional
  }

  /** Puts on those that are missing. */
  put (): void {
    this.putOnSend()
    this.#unguard ??= guardReply(this.#transactional)
  }

  /** Only the one that watches `reply.send()`. */
  putOnSend (): void {
    this.#unwatch ??= watchSend(this.#transactional)
  }

  takeOff (): void {
    this.#unguard?.()
    this.#unwatch?.()
    this.#unguard = this.#unwatch = undefined
  }
}

/** HTTP/2 responses write through their stream. */
type RawResponse = ServerResponse & { stream?: Record<string, unknown> }

/**
 * While a transaction is open, refuses `reply.hijack()` and successful replies written straight to `reply.raw`. A
 * refusal answers the request and never throws: the call may stand in a callback where nothing could catch it. An error
 * reply passes (Fastify itself writes its last-resort errors there) and rolls back, unless a success is being
 * committed: then that one answers. Replies streamed from the transaction may be written.
 *
 * @returns a function that takes the guards off
 */
function guardReply (transactional: Guarded): () => void {
  const { reply } = transactional
  const { hijack } = reply
  const unguardRaw = transactional.route.options.stream === true ? () => {} : guardRaw(transactional, unguard)

  // Set back and not deleted: V8 turns objects that lose a property into slow ones.
  function unguard (): void {
    reply.hijack = hijack
    unguardRaw()
  }

  reply.hijack = function hijackWhileOpen () {
    // A reply that is on its way cannot be taken over.
    if (transactional.errorHandlers.isAnswered(transactional) || reply.sent) return reply
    const mistake = transactional.isRefused ? refusal('reply.hijack()') : findMistake(transactional, 'reply.hijack()')
    if (mistake !== undefined) {
      transactional.refuse(mistake)
      return reply
    }
    unguard()
    return reply.hijack()
  }
  return unguard
}

function guardRaw (transactional: Guarded, unguard: () => void): () => void {
  const raw = transactional.reply.raw as RawResponse
  const { writeHead, write, end } = raw

  const mayCall = (method: string, status: unknown): boolean => {
    const may = mayWrite(transactional, method, Number(status) >= 400)
    if (may === 'begin') {
      unguard()
      if (transactional.isRefused) answerOnce(raw)
      transactional.tx.settle('rollback').catch(() => {})
    }
    return may !== 'no'
  }

  const refusePipe = (source: Readable): void => {
    refuseSource(transactional, raw, source)
  }
  raw.on('pipe', refusePipe)
  // Assigned one by one: by a loop over names they would cost each request some microseconds.
  raw.writeHead = function guardedWriteHead (...args: unknown[]) {
    return mayCall('writeHead', typeof args[0] === 'number' ? args[0] : raw.statusCode)
      ? Reflect.apply(writeHead, raw, args)
      : raw
  } as typeof writeHead
  raw.write = function guardedWrite (...args: unknown[]) {
    return mayCall('write', raw.statusCode) ? Reflect.apply(write, raw, args) : true
  } as typeof write
  raw.end = function guardedEnd (...args: unknown[]) {
    return mayCall('end', raw.statusCode) ? Reflect.apply(end, raw, args) : raw
  } as typeof end
  const unguardStream = raw.stream === undefined ? undefined : guardStream(raw.stream, mayCall)
  return function unguardRaw () {
    raw.off('pipe', refusePipe)
    raw.writeHead = writeHead
    raw.write = write
    raw.end = end
    unguardStream?.()
  }
}

function refuseSource (transactional: Guarded, raw: RawResponse, source: Readable): void {
  if (transactional.isWriting || raw.statusCode >= 400) return
  const mistake = findMistake(transactional, 'a stream piped to reply.raw')
  if (mistake === undefined) return
  source.unpipe(raw)
  source.resume()
  transactional.refuse(mistake)
}

/**
 * A refusal is given to one error handler after the other, and each may answer by hand, later: the first one does. What
 * the others write would be an error in a callback, which ends the process.
 */
function answerOnce (raw: RawResponse): void {
  const { writeHead, write, end } = raw
  raw.writeHead = function writeHeadOnce (...args: unknown[]) {
    return raw.headersSent ? raw : Reflect.apply(writeHead, raw, args)
  } as typeof writeHead
  raw.write = function writeUntilEnd (...args: unknown[]) {
    return raw.writableEnded || Reflect.apply(write, raw, args)
  } as typeof write
  raw.end = function endOnce (...args: unknown[]) {
    return raw.writableEnded ? raw : Reflect.apply(end, raw, args)
  } as typeof end
}

/**
 * Whether a call goes to the response: of Fastify, or of the program that begins its own reply. What may not is refused
 * or dropped.
 */
function mayWrite (transactional: Guarded, method: string, isError: boolean): 'yes' | 'begin' | 'no' {
  if (transactional.isWriting) return 'yes'
  if (transactional.isPausing || transactional.reply.raw.writableEnded) return 'no'
  // Once refused, only Fastify's last resort for errors is let through, which begins with writeHead.
  if (transactional.isRefused && !(isError && method === 'writeHead')) {
    // An error handler that is given the refusal and answers it by hand, too: the next one has to.
    if (transactional.isRefusing && !isError) transactional.refuse(refusal(`reply.raw.${method}()`))
    return 'no'
  }
  // The reply that is being settled answers. An error that Fastify writes past every hook may overtake a rollback, no
  // COMMIT.
  if (transactional.settling === 'commit' || (transactional.settling !== undefined && !isError)) return 'no'
  const mistake = isError ? undefined : findMistake(transactional, `reply.raw.${method}()`)
  if (mistake === undefined) return 'begin'
  transactional.refuse(mistake)
  return 'no'
}

/** The calls that begin a reply on an HTTP/2 stream itself; writing to it responds with 200. */
const responses = ['respond', 'respondWithFile', 'respondWithFD', 'write', 'end']

function guardStream (
  stream: Record<string, unknown>,
  mayCall: (method: string, status: unknown) => boolean
): () => void {
  for (const name of responses) {
    const method = stream[name] as (...args: unknown[]) => unknown
    stream[name] = function guardedRespond (...args: unknown[]) {
      // Node itself ends a stream that its client has closed.
      if (stream['aborted'] === true || stream['closed'] === true) return Reflect.apply(method, stream, args)
      const headers = args.find((arg) => typeof arg === 'object' && arg !== null && ':status' in arg) as {
        ':status'?: unknown
      } | undefined
      return mayCall(`stream.${name}`, headers?.[':status'] ?? 200) ? Reflect.apply(method, stream, args) : true
    }
  }
  // The methods are the prototype's; an HTTP/2 stream serves one request only.
  return function unguardStream () {
    for (const name of responses) Reflect.deleteProperty(stream, name)
  }
}

/**
 * Runs the handler again where a conflict is sent, by the handler or by Fastify, and takes note that a reply is on its
 * way.
 *
 * @returns a function that stops watching
 */
function watchSend (transactional: Guarded): () => void {
  const { reply } = transactional
  const { send } = reply
  reply.send = function sendWhileOpen (...args) {
    const [payload] = args as unknown[]
    if (payload instanceof Error && transactional.canRetry(payload)) {
      transactional.runAgain()
      return reply
    }
    const isSecond = transactional.isAnswering
    if (!(payload instanceof Error)) transactional.errorHandlers.noteSend(transactional)
    transactional.isAnswering = true
    try {
      return Reflect.apply(send, reply, args)
    } catch (error) {
      // Fastify refuses a reply while onError hooks of another one run, and would let that end the process.
      if (!isSecond) throw error
      reply.log.warn({ err: error }, 'a second reply was dropped')
      return reply
    }
  }
  return function unwatchSend () {
    reply.send = send
  }
}

/** Why the program may not write a success by hand now; undefined when it has ended the transaction itself. */
function findMistake ({ isGuarded, tx }: Guarded, call: string): Error | undefined {
  if (isGuarded) return refusal(call)
  return tx.abortReason ?? tx.failure
}

function refusal (call: string): TransactionUsageError {
  return new TransactionUsageError(
    `${call} with an open transaction: await request.transaction.commit() or rollback() first`
  )
}

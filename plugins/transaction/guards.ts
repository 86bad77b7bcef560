import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from './errors.ts'
import type { TransactionRoute } from './route.ts'
import type { Scope } from './scope.ts'

/** What the guards need to know of an exchange while its transaction is open. */
interface Guarded {
  readonly reply: FastifyReply
  readonly route: TransactionRoute
  scope: Scope
  pass: 'commit' | 'rollback' | undefined
  isAnswering: boolean
  mayRetry: (error: unknown) => boolean
  rerun: () => void
}

/**
 * While a transaction is open, refuses `reply.hijack()` and successful replies written straight to `reply.raw`, and takes
 * note of `reply.send()`. An error reply passes (Fastify itself writes its last-resort errors there) and rolls back, unless
 * a success is being committed: then that one answers. Replies streamed from the transaction may be written.
 *
 * @returns a function that takes the guards off
 */
export function guardReply (exchange: Guarded): () => void {
  const { reply, route } = exchange
  const { hijack, send } = reply
  const unguardRaw = route.options.stream === true ? () => {} : guardRaw(exchange, unguard)

  // Set back and not deleted: V8 turns objects that lose a property into slow ones.
  function unguard (): void {
    reply.hijack = hijack
    reply.send = send
    unguardRaw()
  }

  watchSend(exchange)
  reply.hijack = function hijackWhileOpen () {
    if (exchange.scope.isOpen) throw refusal('reply.hijack()')
    unguard()
    return reply.hijack()
  }
  return unguard
}

function guardRaw (exchange: Guarded, unguard: () => void): () => void {
  const { raw } = exchange.reply
  const { writeHead, write, end } = raw

  /** What a call has to return without being made; undefined when it may be made. */
  function stop<Result> (method: string, status: unknown, instead: Result): Result | undefined {
    if (Number(status) < 400 && exchange.scope.isOpen) throw refusal(`reply.raw.${method}()`)
    if (exchange.pass === 'commit') return instead
    unguard()
    exchange.scope.settle('rollback').catch(() => {})
    return undefined
  }

  // A stream calls write() where nobody could catch what it throws: it would end the process.
  function refusePipe (source: Readable): void {
    if (raw.statusCode >= 400 || !exchange.scope.isOpen) return
    source.unpipe(raw)
    exchange.reply.send(refusal('a stream piped to reply.raw'))
  }

  raw.on('pipe', refusePipe)
  // Assigned one by one: by a loop over names they would cost each request some microseconds.
  raw.writeHead = function guardedWriteHead (...args: unknown[]) {
    return stop('writeHead', typeof args[0] === 'number' ? args[0] : raw.statusCode, raw) ?? Reflect.apply(writeHead, raw, args)
  } as typeof writeHead
  raw.write = function guardedWrite (...args: unknown[]) {
    return stop('write', raw.statusCode, true) ?? Reflect.apply(write, raw, args)
  } as typeof write
  raw.end = function guardedEnd (...args: unknown[]) {
    return stop('end', raw.statusCode, raw) ?? Reflect.apply(end, raw, args)
  } as typeof end
  return function unguardRaw () {
    raw.off('pipe', refusePipe)
    raw.writeHead = writeHead
    raw.write = write
    raw.end = end
  }
}

/** Runs the handler again where it sends a conflict itself, and knows that a reply is on its way. */
function watchSend (exchange: Guarded): void {
  const { reply } = exchange
  const { send } = reply
  reply.send = function sendWhileOpen (...args) {
    const [payload] = args as unknown[]
    if (payload instanceof Error && exchange.mayRetry(payload)) {
      exchange.rerun()
      return reply
    }
    const isSecond = exchange.isAnswering
    exchange.isAnswering = true
    try {
      return Reflect.apply(send, reply, args)
    } catch (error) {
      // Fastify refuses a reply while onError hooks of another one run, and would let that end the process.
      if (!isSecond) throw error
      reply.log.warn({ err: error }, 'a second reply was dropped')
      return reply
    }
  }
}

function refusal (call: string): TransactionUsageError {
  return new TransactionUsageError(`${call} with an open transaction: await request.transaction.commit() or rollback() first`)
}

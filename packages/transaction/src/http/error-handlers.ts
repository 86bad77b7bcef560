import type { FastifyReply } from 'fastify'

/** A request whose error handlers may answer. */
interface Answering {
  readonly reply: FastifyReply
  readonly isAnswering: boolean
}

/** Tells a reply that was sent from an error handler that has ended, or still runs, and has sent nothing. */
export class ErrorHandlerRecord {
  /** Which error handler was next when something other than an error was sent last. */
  #nextAtSend: unknown

  /** Notes that something other than an error is sent: an error handler that sends has answered. */
  noteSend ({ reply, isAnswering }: Answering): void {
    this.#nextAtSend = findNextErrorHandler(reply, isAnswering)
  }

  /**
   * Something was sent that will answer the request: true also where no error handler is left, and Fastify answers by
   * itself.
   */
  isAnswered ({ reply, isAnswering }: Answering): boolean {
    if (!isAnswering) return false
    const next = findNextErrorHandler(reply)
    return next === undefined || next === false || next === this.#nextAtSend
  }
}

let knownKey: symbol | undefined

/**
 * Fastify's own note of which error handler of a reply would be next: undefined before the first error, false when none
 * is left and Fastify answers by itself. There is no public way to read it.
 *
 * @param canSearch false: only where an earlier reply has shown where it is. Default true
 */
function findNextErrorHandler (reply: FastifyReply, canSearch = true): unknown {
  if (knownKey === undefined && canSearch) {
    knownKey = Object.getOwnPropertySymbols(reply).find(({ description }) =>
      description === 'fastify.reply.nextErrorHandler'
    )
  }
  return knownKey === undefined ? undefined : Reflect.get(reply, knownKey)
}

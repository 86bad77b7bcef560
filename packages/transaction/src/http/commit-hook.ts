import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import { addTo, completeReply, type ReplyAddition } from './before-reply.ts'
import { abortIfGone } from './client-close.ts'
import { TransactionAbortedError } from '../errors.ts'
import { awaitFirstByte } from '../payload/first-byte.ts'
import { logFailure, logOutcome } from './log.ts'
import {
  discard,
  getStatus,
  hasNoBody,
  ignoreErrors,
  isReadable,
  isResponse,
  toReadable,
  unpackResponse,
  withoutBody
} from '../payload/payload.ts'
import { dropSuccess, restoreHead, takeHead, type ReplyHead } from '../payload/reply-headers.ts'
import { findUnsendable } from '../payload/sendable.ts'
import type { TransactionalRequest, TransactionRun } from './transactional-request.ts'
import { writeReply, type Done } from './write-reply.ts'

/** A reply as it reached the hook. */
interface Reply {
  isSuccess: boolean
  head: ReplyHead
  payload: unknown
  done: Done
}

/** Payloads of replies that go on: another reply of the same stream must not end it. */
const accepted = new WeakSet<object>()

/** What the hook needs of the plugin. */
export interface CommitHookContext {
  /** The run that a request object belongs to; undefined where nothing has asked for the transaction. */
  findRun: (request: FastifyRequest) => TransactionRun | undefined
}

/**
 * The last onSend hook of a transactional route: COMMIT or ROLLBACK after serialization and every other hook, before the first byte.
 * A callback hook with its own re-entry state, because a second `reply.send()` starts a second pipeline while this one waits.
 */
export function createCommitHook ({ findRun }: CommitHookContext): onSendHookHandler<unknown> {
  return function transactionCommit (request, reply, payload, done) {
    const run = findRun(request)
    if (run === undefined) return done(null, payload)
    if (run.isSuperseded) return discard(payload)
    // Another plugin has put a wrapped copy of this hook before it.
    if (run.owner.isWriting) return done(null, payload)
    decide(run.owner, reply, payload, done)
  }
}

function decide (transactional: TransactionalRequest, reply: FastifyReply, payload: unknown, done: Done): void {
  const isSuccess = getStatus(reply, payload) < 400
  ignoreErrors(payload)
  if (isTooLate(transactional, isSuccess)) return drop(payload)
  if (transactional.wait !== undefined) {
    if (isSuccess) return drop(payload)
    transactional.wait.stop()
  }
  if (transactional.settling === 'commit') return drop(payload)
  if (typeof payload === 'object' && payload !== null) accepted.add(payload)
  if (transactional.settling !== undefined) return secondReply(transactional, payload, done)
  const { tx } = transactional
  if (isSuccess) abortIfGone(transactional)
  if (tx.settled !== undefined) return afterSettlement(transactional, isSuccess, payload, done)
  if (tx.isUntouched) {
    return conclude(transactional, toReply(reply, isSuccess, payload, done))
  }
  if (isSuccess) succeed(transactional, reply, payload, done)
  else conclude(transactional, toReply(reply, false, convert(payload), done))
}

function drop (payload: unknown): void {
  if (!(typeof payload === 'object' && payload !== null && accepted.has(payload))) discard(payload)
}

/** A payload that Fastify writes without being able to end the process; what cannot be converted it refuses by itself. */
function convert (payload: unknown): unknown {
  try {
    const converted = toReadable(payload)
    ignoreErrors(converted)
    return converted
  } catch {
    return payload
  }
}

/** A success with a transaction behind it: what could only fail after the COMMIT is found before it. */
function succeed (transactional: TransactionalRequest, reply: FastifyReply, payload: unknown, done: Done): void {
  let body: unknown
  try {
    body = isResponse(payload) ? unpackResponse(reply, payload) : payload
    body = hasNoBody(reply) ? withoutBody(reply, body) : toReadable(body)
  } catch (error) {
    return takeBack(transactional, error, payload, done)
  }
  ignoreErrors(body)
  const first = toReply(reply, true, body, done)
  const mistake = findUnsendable(reply, first.head.headers, body)
  if (mistake !== undefined) return takeBack(transactional, mistake, body, done)
  if (isReadable(body)) return waitForFirstByte(transactional, first, body)
  conclude(transactional, first)
}

function toReply (reply: FastifyReply, isSuccess: boolean, payload: unknown, done: Done): Reply {
  return { isSuccess, head: takeHead(reply), payload, done }
}

/** A stream that fails before its first byte can still roll back; and while nothing is committed, an error may take its place. */
function waitForFirstByte (transactional: TransactionalRequest, first: Reply, stream: Readable): void {
  let stopWaiting = (): void => {}
  const end = (next: () => void) => () => {
    transactional.wait = undefined
    stopWaiting()
    next()
  }
  const proceed = end(() => {
    if (transactional.route.options.stream === true && transactional.tx.isOpen) {
      writeReply(transactional, stream, first.done)
    } else conclude(transactional, first)
  })
  const fail = (error: Error) => {
    end(() => {
      takeBack(transactional, error, stream, first.done)
    })()
  }
  transactional.wait = {
    proceed,
    fail,
    stop: end(() => {
      stream.destroy()
    })
  }
  stopWaiting = awaitFirstByte(stream, {
    onReady: proceed,
    onError: (error) => {
      fail(transactional.tx.abortReason ?? error)
    }
  })
}

function conclude (transactional: TransactionalRequest, { isSuccess, head, payload, done }: Reply): void {
  const { tx, reply } = transactional
  if (isSuccess) abortIfGone(transactional)
  if (isSuccess && tx.abortReason !== undefined) return afterSettlement(transactional, true, payload, done)
  transactional.settling = isSuccess ? 'commit' : 'rollback'
  const wasIdle = tx.isUntouched
  const settlement = tx.settle(transactional.settling)
  if (wasIdle) return finish(transactional, payload, done)
  const send = (additions: ReplyAddition[]) => {
    // What a second reply, or code after the first one, has changed meanwhile was not decided upon.
    restoreHead(reply, head)
    addTo(reply, additions)
    finish(transactional, payload, done)
  }
  settlement.then(() => {
    completeReply(transactional, send)
  }, (error: unknown) => {
    fail(transactional, error, payload, done)
  })
}

function finish (transactional: TransactionalRequest, payload: unknown, done: Done): void {
  transactional.settling = undefined
  transactional.release()
  logOutcome(transactional)
  writeReply(transactional, payload, done)
}

/** The COMMIT was refused. */
function fail (transactional: TransactionalRequest, error: unknown, payload: unknown, done: Done): void {
  transactional.settling = undefined
  transactional.isAnswering = false
  if (transactional.canRetry(error)) {
    discard(payload)
    return transactional.runAgain()
  }
  // Until the error has passed this hook a reply of the handler is a second one, which the guards drop.
  transactional.isAnswering = true
  logOutcome(transactional)
  if (error instanceof TransactionAbortedError) logFailure(transactional)
  if (transactional.reply.raw.headersSent) discard(payload)
  else takeBack(transactional, error, payload, done)
}

/** An error takes the place of a success: the headers of that success would be lies, and its stream would stay open. */
function takeBack (transactional: TransactionalRequest, error: unknown, payload: unknown, done: Done): void {
  const { reply } = transactional
  discard(payload)
  transactional.takeBack()
  dropSuccess(reply)
  done(error instanceof Error ? error : new Error('the transaction failed', { cause: error }))
}

/** The first reply is an error whose rollback has not ended yet. That one answers; this one where it could not. */
function secondReply (transactional: TransactionalRequest, payload: unknown, done: Done): void {
  const send = () => {
    if (transactional.answer === undefined) writeReply(transactional, payload, done)
    else discard(payload)
  }
  transactional.tx.settle('rollback').then(send, send)
}

/** A reply was handed to Fastify already. An error may follow it when a stream failed before any of it was written, and nothing is committed. */
function isTooLate ({ answer, reply, tx }: TransactionalRequest, isSuccess: boolean): boolean {
  if (answer === undefined) return false
  const hasFailed = !isReadable(answer.payload) || answer.payload.destroyed
  if (reply.raw.headersSent || isSuccess || !hasFailed) return true
  if (tx.state !== 'committed' || tx.duration === 0) return false
  // An error would deny what is stored: a broken connection says that nobody knows.
  reply.raw.destroy()
  return true
}

/** The transaction was settled before the reply: explicitly, by the deadline, or because the client went away. */
function afterSettlement (
  transactional: TransactionalRequest,
  isSuccess: boolean,
  original: unknown,
  done: Done
): void {
  const { tx, reply } = transactional
  const payload = isSuccess && reply.statusCode === 205 ? withoutBody(reply, convert(original)) : convert(original)
  transactional.settling = isSuccess ? 'commit' : 'rollback'
  const answer = (error?: unknown) => {
    const refusal = error ?? tx.abortReason
    if (!isSuccess) return finish(transactional, payload, done)
    if (refusal === undefined) {
      return completeReply(transactional, (additions) => {
        addTo(reply, additions)
        finish(transactional, payload, done)
      })
    }
    // The guards stay: an error handler must not write a success by hand.
    transactional.settling = undefined
    takeBack(transactional, refusal, payload, done)
  }
  tx.settle('rollback').then(() => {
    answer()
  }, answer)
}

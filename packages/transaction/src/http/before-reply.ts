import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from '../errors.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'
import { isThenable } from '../core/is-thenable.ts'
import { validateHeader } from '../payload/header-values.ts'

/** Headers that decide how a reply is read. */
const framing = ['content-length', 'transfer-encoding', 'trailer', 'content-encoding']

/** What a callback adds to a reply whose work is committed. */
export interface ReplyAddition {
  /** Another status below 400, for example 201 instead of 202. */
  status?: number
  headers?: Record<string, string>
}

/** Runs between COMMIT and first byte. */
export type ReplyCallback = () => ReplyAddition | undefined | Promise<ReplyAddition | undefined>

interface Settled {
  readonly transaction: { readonly replyCallbacks: readonly ReplyCallback[] }
  readonly tx: LazyTransaction
  readonly reply: FastifyReply
  readonly route: { readonly options: { deadline?: number } }
}

/** Lets callbacks add to a reply whose work is committed; nothing waits where there are none. */
export function completeReply (
  { transaction, tx, reply, route }: Settled,
  send: (additions: ReplyAddition[]) => void
): void {
  const { replyCallbacks } = transaction
  if (replyCallbacks.length === 0 || tx.state !== 'committed') return send([])
  const additions: ReplyAddition[] = []
  const waiting = collect(replyCallbacks, reply, additions)
  if (waiting === undefined) return send(additions)
  const { deadline = 0 } = route.options
  const timer = deadline > 0 ? setTimeout(giveUp, deadline).unref() : undefined
  let isOver = false
  function end (): void {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    send(additions)
  }
  function giveUp (): void {
    reply.log.error(
      { deadline },
      'a beforeReply callback did not end within the deadline; the reply goes out without it'
    )
    end()
  }
  waiting.then(end, end)
}

/** Puts the additions on a reply. */
export function addTo (reply: FastifyReply, additions: ReplyAddition[]): void {
  for (const { status, headers = {} } of additions) {
    if (status !== undefined) reply.code(status)
    reply.headers(headers)
  }
}

/** Runs the callbacks one after the other, the next ones later where one returns a promise; undefined where none does. */
function collect (
  callbacks: readonly ReplyCallback[],
  reply: FastifyReply,
  additions: ReplyAddition[]
): Promise<void> | undefined {
  for (const [index, callback] of callbacks.entries()) {
    try {
      const addition = callback()
      if (isThenable(addition)) {
        return collectLater(
          addition as Promise<ReplyAddition | undefined>,
          callbacks.slice(index + 1),
          reply,
          additions
        )
      }
      if (addition !== undefined) additions.push(check(addition, reply))
    } catch (error) {
      logFailure(error, reply)
    }
  }
  return undefined
}

async function collectLater (
  waiting: Promise<ReplyAddition | undefined>,
  others: ReplyCallback[],
  reply: FastifyReply,
  additions: ReplyAddition[]
): Promise<void> {
  try {
    const addition = await waiting
    if (addition !== undefined) additions.push(check(addition, reply))
  } catch (error) {
    logFailure(error, reply)
  }
  await collect(others, reply, additions)
}

function logFailure (error: unknown, { log }: FastifyReply): void {
  log.error({ err: error }, 'a beforeReply callback failed')
}

/** The work is stored: the reply must go out, and must not deny it. Header values become text. */
function check ({ status, headers = {} }: ReplyAddition, { request }: FastifyReply): ReplyAddition {
  if (status !== undefined && (!Number.isInteger(status) || status < 200 || status >= 400)) {
    throw new TransactionUsageError(`a reply whose work is committed cannot have the status ${status}`)
  }
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (framing.includes(name.toLowerCase())) {
      throw new TransactionUsageError(`the header ${name} says where the reply ends; beforeReply cannot change it`)
    }
    texts[name] = validateHeader(name, value, request.raw.httpVersionMajor)
  }
  return status === undefined ? { headers: texts } : { status, headers: texts }
}

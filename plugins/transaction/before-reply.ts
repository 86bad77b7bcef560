import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from './errors.ts'
import type { Scope } from './scope.ts'
import { validateHeaders } from './sendable.ts'

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
  readonly scope: Scope
  readonly reply: FastifyReply
}

/** Lets callbacks add to a reply whose work is committed; nothing waits where there are none. */
export function completeReply ({ transaction, scope, reply }: Settled, send: (additions: ReplyAddition[]) => void): void {
  const { replyCallbacks } = transaction
  if (replyCallbacks.length === 0 || scope.state !== 'committed') return send([])
  collect(replyCallbacks, reply).then(send, () => { send([]) })
}

/** Puts the additions on a reply. */
export function addTo (reply: FastifyReply, additions: ReplyAddition[]): void {
  for (const { status, headers = {} } of additions) {
    if (status !== undefined) reply.code(status)
    reply.headers(headers)
  }
}

async function collect (callbacks: readonly ReplyCallback[], reply: FastifyReply): Promise<ReplyAddition[]> {
  const additions: ReplyAddition[] = []
  for (const callback of callbacks) {
    try {
      const addition = await callback()
      if (addition === undefined) continue
      check(addition)
      additions.push(addition)
    } catch (error) {
      reply.log.error({ err: error }, 'a beforeReply callback failed')
    }
  }
  return additions
}

/** The work is stored: the reply must go out, and must not deny it. */
function check ({ status = 200, headers = {} }: ReplyAddition): void {
  if (!Number.isInteger(status) || status < 200 || status >= 400) throw new TransactionUsageError(`a reply whose work is committed cannot have the status ${status}`)
  validateHeaders(headers)
}

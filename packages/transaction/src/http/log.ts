import { fileURLToPath } from 'node:url'
import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import type { TransactionRoute } from './route.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'
import { toWord } from '../core/state.ts'

/** What is known of a request whose transaction has ended. */
export interface Ended {
  readonly tx: LazyTransaction
  readonly reply: FastifyReply
  isLogged: boolean
}

/**
 * Puts outcome, attempts, statements and time of the transaction on the request's log lines. Where the line of a
 * success is below the log's level, nothing is made for it.
 */
export function logOutcome (transactional: Ended): void {
  const { tx, reply } = transactional
  if (transactional.isLogged || tx.duration === 0 || reply.log.level === 'silent') return
  if (tx.state === 'committed' && isQuiet(reply.log)) return
  transactional.isLogged = true
  reply.log = reply.log.child({ transaction: getSummary(transactional) })
}

/** Pino's loggers tell which lines they write; of another logger it is not known. */
function isQuiet (log: FastifyBaseLogger & { isLevelEnabled?: (level: string) => boolean }): boolean {
  return log.isLevelEnabled?.('info') === false
}

/** The transaction of a streamed reply ends after the request's own log line. */
export function logStreamOutcome (transactional: Ended, error?: unknown): void {
  const transaction = getSummary(transactional)
  if (error === undefined) {
    transactional.reply.log.info({ transaction }, 'the transaction of a streamed reply has ended')
  } else {
    transactional.reply.log.error(
      { transaction, err: error },
      'the transaction of a streamed reply could not be committed'
    )
  }
}

/**
 * Names the statement that made a transaction fail behind the handler's back, and no value: the store's own message may
 * quote some.
 */
export function logFailure ({ tx, reply }: Ended): void {
  const { statement, error } = tx.transaction?.firstFailure ?? {}
  const { code, constraint, table } = Object(error) as Record<string, unknown>
  reply.log.error(
    { statement, code, constraint, table },
    'the handler went on after a failed statement; nothing was committed'
  )
}

/** Says once per route that its handler will not run again after a conflict, and why. */
export function logRetriesOff (
  route: TransactionRoute,
  why: { hook: string } | { reason: string },
  log: FastifyBaseLogger
): void {
  if (route.isRetryLogged === true) return
  route.isRetryLogged = true
  log.warn(
    { route: route.name, ...why },
    'hook' in why
      ? 'retries are off for this route: a hook uses its transaction, and only the handler is run again. Look up through app.db in hooks, or use the transaction in the handler'
      : `retries are off for requests of this route where ${why.reason}`
  )
}

const ownFolder = fileURLToPath(new URL('.', import.meta.url))

/** The hook that is running: of the application's functions on the stack the outermost one that Fastify has called. */
export function findHookOnStack (): string {
  const frames = readStack()
  const end = frames.findIndex((line) => /[/\\]fastify[/\\]lib[/\\]/.test(line))
  const own = frames.slice(0, end === -1 ? undefined : end)
    .filter((line) => !line.includes(ownFolder) && !line.includes('node_modules') && !line.includes('node:'))
  const frame = own.at(-1) ?? ''
  return /at (?:async )?(.+?) \(/.exec(frame)?.[1] ?? /[^/\\]+:\d+:\d+/.exec(frame)?.[0] ?? 'an anonymous hook'
}

function readStack (): string[] {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 40
  const { stack = '' } = new Error('stack')
  Error.stackTraceLimit = stackTraceLimit
  return stack.split('\n').slice(1)
}

function getSummary ({ tx }: Ended): Record<string, unknown> {
  return {
    store: tx.driver.store,
    outcome: toWord(tx.state),
    attempts: tx.attempt,
    statements: tx.statements.sent,
    milliseconds: Math.round(tx.duration * 100) / 100
  }
}

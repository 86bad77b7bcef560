import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'

const FIRST_DELAY_MS = 100
const LAST_DELAY_MS = 5000
// Not allowed, wrong credentials, no replica set: only the operator can change that.
const FATAL = new Set<unknown>([13, 18, 8000, 'MONGO_NOT_REPLICA_SET'])

/**
 * Connects, and goes on trying in the background when the first attempt fails: a client whose first connect failed
 * never heals by itself.
 * @param attempt connects and prepares; repeatable
 * @param log where failures are reported, once per kind
 * @param signal ends the attempts
 * @returns after the first attempt, whatever came of it
 * @throws what the first attempt met when trying again cannot help
 */
export async function connectOrKeepTrying (
  attempt: () => Promise<void>,
  log: FastifyBaseLogger,
  signal: AbortSignal
): Promise<void> {
  try {
    await attempt()
  } catch (error) {
    if (isFatal(error)) throw error
    log.warn({ err: error }, 'MongoDB is not available; trying again')
    void keepTrying(attempt, log, signal, getName(error))
  }
}

async function keepTrying (
  attempt: () => Promise<void>,
  log: FastifyBaseLogger,
  signal: AbortSignal,
  first: string
): Promise<void> {
  let reported = first
  for (let delay = FIRST_DELAY_MS; !signal.aborted; delay = Math.min(delay * 2, LAST_DELAY_MS)) {
    // Half of the delay is random, so that many instances do not come back in step.
    await sleep(delay * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
    if (signal.aborted) return
    try {
      await attempt()
      return
    } catch (error) {
      if (signal.aborted) return
      if (getName(error) !== reported) log.warn({ err: error }, 'MongoDB is not available; trying again')
      reported = getName(error)
    }
  }
}

function getName (error: unknown): string {
  return error instanceof Error ? error.name : 'Error'
}

function isFatal (error: unknown): boolean {
  return error instanceof Error && 'code' in error && FATAL.has(error.code)
}

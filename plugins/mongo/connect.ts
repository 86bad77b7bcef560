import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { MongoClient } from 'mongodb'

const FIRST_DELAY_MS = 100
const LAST_DELAY_MS = 5000

/**
 * Connects until it succeeds: a client whose first connect failed never heals by itself.
 * @param client a client that is not connected
 * @param prepare work on the fresh connection; when it fails the loop goes on
 * @param log where failures are reported, once per kind
 * @param signal ends the loop
 * @throws the error of the first attempt when it can only be fixed by the operator (wrong credentials, no replica set)
 */
export async function connectUntilUp (client: MongoClient, prepare: () => Promise<void>, log: FastifyBaseLogger, signal: AbortSignal): Promise<void> {
  let reported: string | undefined
  for (let delay = FIRST_DELAY_MS; !signal.aborted; delay = Math.min(delay * 2, LAST_DELAY_MS)) {
    try {
      await client.connect()
      await prepare()
      return
    } catch (error) {
      if (signal.aborted) return
      if (reported === undefined && isFatal(error)) throw error
      const kind = error instanceof Error ? error.name : 'Error'
      if (kind !== reported) log.warn({ err: error }, 'MongoDB is not available; trying again')
      reported = kind
      // Half of the delay is random, so that many instances do not come back in step.
      await sleep(delay * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
}

function isFatal (error: unknown): boolean {
  return error instanceof Error && 'code' in error && [13, 18, 8000, 'MONGO_NOT_REPLICA_SET'].includes(error.code as number | string)
}

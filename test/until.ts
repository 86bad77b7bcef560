import { setTimeout as sleep } from 'node:timers/promises'

const INTERVAL_MS = 10
/** Only a test that fails waits for so long; a busy machine needs some of it. */
const LONGEST_MS = 60_000

/**
 * Waits until a condition holds.
 * @param ms milliseconds that it may take. Default 60000
 * @returns whether it holds at last
 */
export async function comesTrue (holds: () => unknown, ms = LONGEST_MS): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(INTERVAL_MS)) {
    if (await holds() === true) return true
  }
  return await holds() === true
}

/**
 * Waits until a condition holds; rejects where it does not come true.
 * @param what the condition, in words
 * @param ms milliseconds that it may take. Default 60000
 */
export async function until (what: string, holds: () => unknown, ms = LONGEST_MS): Promise<void> {
  if (!await comesTrue(async () => Boolean(await holds()), ms)) {
    throw new Error(`still not true after ${ms} ms: ${what}`)
  }
}

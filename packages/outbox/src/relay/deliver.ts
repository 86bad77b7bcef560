import { OutboxError, isTimeout } from '../errors.ts'
import type { Apply, Failure, OutboxEvent } from '../types.ts'

export interface DeliverOptions {
  apply: Apply
  /** Milliseconds for the whole batch. */
  timeout: number
  /** Aborted when the relay must stop now. */
  signal: AbortSignal
  isTransient: (error: unknown) => boolean
}

/**
 * Hands a batch to its handler and finds out which events failed.
 * @returns the failures, empty when all events are applied
 * @throws when no event is to blame: the target is away, time is up, or the relay stops
 */
export async function deliver (events: OutboxEvent[], options: DeliverOptions): Promise<Failure[]> {
  const timeout = new AbortController()
  const late = new OutboxError('OUTBOX_TIMEOUT', `apply took longer than ${options.timeout} ms`)
  const timer = setTimeout(() => {
    timeout.abort(late)
  }, options.timeout)
  try {
    return await isolate(events, options, AbortSignal.any([options.signal, timeout.signal]))
  } catch (error) {
    const [only] = events
    if (events.length === 1 && only !== undefined && isTimeout(error)) return [{ id: only.id, error }]
    throw error
  } finally {
    clearTimeout(timer)
  }
}

// A throw that blames nobody in particular is repeated event by event: the bad one fails alone, the others are applied.
async function isolate (events: OutboxEvent[], options: DeliverOptions, signal: AbortSignal): Promise<Failure[]> {
  try {
    const failures = await unlessAborted(options.apply(events, { signal }), signal) ?? []
    const away = failures.find(({ error }) => options.isTransient(error))
    if (away !== undefined) throw away.error
    return failures
  } catch (error) {
    if (signal.aborted || options.isTransient(error)) throw error
    const [only] = events
    if (events.length === 1 && only !== undefined) return [{ id: only.id, error }]
  }
  const failures: Failure[] = []
  for (const event of events) failures.push(...await isolate([event], options, signal))
  return failures
}

// A handler that ignores its signal must not hold the relay.
async function unlessAborted<Result> (work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted()
  let onAbort = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => {})
  }
}

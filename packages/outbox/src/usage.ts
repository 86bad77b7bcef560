import type { FastifyInstance } from 'fastify'
import { OutboxError } from './errors.ts'
import type { OutboxStore } from './types.ts'

/** Refuses what is no store. */
export function checkStore ({ store }: { store?: OutboxStore }): void {
  if (typeof store?.work === 'function') return
  throw new OutboxError(
    'OUTBOX_USAGE',
    store === undefined
      ? 'the option store is missing: postgresStore(pool) or sqliteStore(transaction)'
      : 'the option store must be postgresStore(pool) or sqliteStore(transaction)'
  )
}

/** Refuses a second registration that sees the first. */
export function refuseTwo (app: FastifyInstance): void {
  if (!app.hasDecorator('outbox')) return
  throw new OutboxError(
    'OUTBOX_USAGE',
    'app.outbox is there already: register fastify-outbox once, outside of the plugins that use it'
  )
}

/** Refuses a handler that could not be called, comes too late, or is the second of its topic. */
export function refuseHandler (topic: unknown, apply: unknown, isReady: boolean, isTaken: boolean): void {
  if (typeof topic !== 'string' || topic === '' || typeof apply !== 'function') {
    throw new OutboxError('OUTBOX_USAGE', 'outbox.on needs the name of a topic and a function: on(topic, apply)')
  }
  if (isReady) {
    throw new OutboxError(
      'OUTBOX_USAGE',
      `outbox.on('${topic}') came after the app was ready: name handlers while plugins load`
    )
  }
  if (isTaken) throw new OutboxError('OUTBOX_USAGE', `the topic '${topic}' already has a handler`)
}

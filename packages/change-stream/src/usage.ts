import type { FastifyInstance } from 'fastify'
import { ChangeStreamError } from './errors.ts'
import type { StreamStore } from './types.ts'

/** Refuses what is no store. */
export function checkStore ({ store }: { store?: StreamStore }): void {
  if (typeof store?.move === 'function') return
  throw new ChangeStreamError(
    'CHANGE_STREAM_USAGE',
    store === undefined
      ? 'the option store is missing: postgresStore(pool) or sqliteStore(transaction)'
      : 'the option store must be postgresStore(pool) or sqliteStore(transaction) of this package'
  )
}

/** Refuses a second registration that sees the first. */
export function refuseTwo (app: FastifyInstance): void {
  if (!app.hasDecorator('changeStream')) return
  throw new ChangeStreamError(
    'CHANGE_STREAM_USAGE',
    'app.changeStream is there already: register fastify-change-stream once, outside of the plugins that use it'
  )
}

/** Refuses a stream without a name, one that comes too late, and the second of a name. */
export function refuseStream (name: unknown, isReady: boolean, isTaken: boolean): void {
  if (typeof name !== 'string' || name === '') {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      'changeStream.follow needs a name and what to do: follow(name, { collection, apply, copy })'
    )
  }
  if (isReady) {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      `changeStream.follow('${name}') came after the app was ready: name streams while plugins load`
    )
  }
  if (isTaken) throw new ChangeStreamError('CHANGE_STREAM_USAGE', `the stream '${name}' is followed already`)
}

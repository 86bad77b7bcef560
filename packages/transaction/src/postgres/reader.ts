import type { Submittable } from 'pg'

/**
 * True when the server has nothing to do for an open cursor or query stream, because the program does not read.
 * pg-cursor has a callback while it waits for rows; its state may say idle then. Another kind of reader counts as idle.
 */
export function isReaderIdle (reader: Submittable & { cursor?: object }): boolean {
  return typeof Reflect.get(reader.cursor ?? reader, '_cb') !== 'function'
}

/**
 * Closes a cursor or query stream: one that the program does not read to its end would keep its connection for ever.
 */
export function closeReader (reader: object = {}): void {
  if ('destroy' in reader && typeof reader.destroy === 'function') reader.destroy()
  else if ('close' in reader && typeof reader.close === 'function') reader.close(ignore)
}

/** The messages of the connection that a reader handles, its last ones among them; pg calls them by name. */
interface MessageHandlers {
  handleReadyForQuery: (...args: unknown[]) => unknown
  handleError: (...args: unknown[]) => unknown
}

/** A reader's own events come when the program has read everything, or never; the connection is free before. */
export function tellWhenDone (query: Submittable, onDone: () => void, onError: (error: unknown) => void): void {
  const handlers = query as Submittable & MessageHandlers
  const { handleReadyForQuery, handleError } = handlers
  handlers.handleReadyForQuery = function readyForQuery (...args) {
    onDone()
    return Reflect.apply(handleReadyForQuery, query, args)
  }
  handlers.handleError = function failed (...args) {
    onError(args[0])
    onDone()
    return Reflect.apply(handleError, query, args)
  }
}

function ignore (): void {}

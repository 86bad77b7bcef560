import type { Submittable } from 'pg'

/**
 * True when the server has nothing to do for an open cursor or query stream: it waits to be read. pg-cursor has a callback while
 * it waits for rows; its state may say idle then. Another kind of reader counts as one that waits to be read.
 */
export function isIdle (reader: Submittable & { cursor?: object }): boolean {
  return typeof Reflect.get(reader.cursor ?? reader, '_cb') !== 'function'
}

/** A cursor that nobody reads to its end would keep its connection for ever. */
export function closeReader (reader: object = {}): void {
  if ('destroy' in reader && typeof reader.destroy === 'function') reader.destroy()
  else if ('close' in reader && typeof reader.close === 'function') reader.close(ignore)
}

function ignore (): void {}

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

function ignore (): void {}

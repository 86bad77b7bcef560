import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** How much, and how long, of a body that is refused is read on. */
const MOST_BYTES = 64 * 1_048_576
const LONGEST_MS = 10_000

/**
 * The answer to a body that is too large: sent at once, and ended when the client has stopped sending, within bounds. A
 * client that meets a closed connection while it sends would see that, and not the answer.
 * @param request whose body is not read
 * @param text of the answer
 */
export function answerLateBody (request: IncomingMessage, text: string): Readable {
  return Readable.from(sendThenRead(request, text), { objectMode: false })
}

async function* sendThenRead (request: IncomingMessage, text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
  if (!request.complete && !request.destroyed) await readOn(request)
}

function readOn (request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0
    const timer = setTimeout(end, LONGEST_MS).unref()
    function count (chunk: Buffer): void {
      bytes += chunk.length
      if (bytes > MOST_BYTES) end()
    }
    function end (): void {
      clearTimeout(timer)
      request.off('data', count).off('end', end).off('close', end)
      resolve()
    }
    request.on('data', count).on('end', end).on('close', end)
    request.resume()
  })
}

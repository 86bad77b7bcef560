import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import type { Progress } from '../types.ts'

/** Below the ports systems give to outgoing connections, so that a port is still free after a reboot. */
const FIRST = 20_000
const LAST = 32_000

/**
 * The port used last time if it is still free, so that URLs stay the same; otherwise another free one, and the user is
 * told.
 */
export async function choosePort (server: string, last: number | undefined, onProgress: Progress): Promise<number> {
  if (last !== undefined && await isFree(last)) return last
  for (;;) {
    const port = randomInt(FIRST, LAST)
    if (!await isFree(port)) continue
    if (last !== undefined) onProgress(`Port ${last} is taken by another program: ${server} moves to ${port}`)
    return port
  }
}

/** Does a server listen on this port of 127.0.0.1? */
export function isListening (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', end(true)).once('error', end(false))
  })
}

/** Can a server listen on this port of 127.0.0.1 now? */
function isFree (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => {
      resolve(false)
    })
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true)
      })
    })
  })
}

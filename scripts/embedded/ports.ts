import { createServer } from 'node:net'

/** Can a server listen on this port of 127.0.0.1 now? */
export function isFree (port: number): Promise<boolean> {
  return listen(port).then(() => true, () => false)
}

/** The port used last time if it is still free (so that URLs stay the same), otherwise any free one. */
export async function choosePort (last: number | undefined): Promise<number> {
  return last !== undefined && await isFree(last) ? last : await listen(0)
}

function listen (port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => { resolve(typeof address === 'object' && address !== null ? address.port : port) })
    })
  })
}

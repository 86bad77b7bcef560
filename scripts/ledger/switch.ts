import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP proxy that leads connections to one server, later to another one: what an operator's proxy does. */
export class Switch {
  #target: { host: string; port: number } | undefined
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((client) => {
    this.#link(client)
  })

  private constructor (url: string) {
    this.lead(url)
  }

  /** Listens on a free port of 127.0.0.1 and leads to the host and port of a URL. */
  static async start (url: string): Promise<Switch> {
    const found = new Switch(url)
    await once(found.#server.listen(0, '127.0.0.1'), 'listening')
    return found
  }

  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Leads what is opened from now on elsewhere; what is open stays. */
  lead (url: string): void {
    const { hostname: host, port } = new URL(url)
    this.#target = { host, port: Number(port) }
  }

  /** Resets what is open, and refuses what comes. */
  cut (): void {
    this.#target = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close (): Promise<void> {
    const closed = once(this.#server.close(), 'close')
    this.cut()
    await closed
  }

  #link (client: Socket): void {
    if (this.#target === undefined) {
      client.resetAndDestroy()
      return
    }
    const server = connect(this.#target)
    for (const [from, to] of [[client, server], [server, client]] as const) {
      this.#sockets.add(from)
      from.on('error', () => {
        to.resetAndDestroy()
      }).on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      }).pipe(to)
    }
  }
}

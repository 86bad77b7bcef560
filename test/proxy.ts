import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

type Side = 'client' | 'server'
type Ending = 'reset' | 'silence'

/** What a link does with bytes from now on. */
interface Fault {
  /** Bytes that still pass, counted on `side`. */
  after: number
  /** Whose bytes count; undefined: both sides'. */
  side: Side | undefined
  ending: Ending
}

/**
 * A TCP proxy that breaks links in the ways networks do. Faults concern a link until it closes; new links are healthy
 * unless it says so.
 */
export class Proxy {
  #target: { host: string; port: number }
  readonly #server = createServer({ allowHalfOpen: true }, (client) => {
    void this.#link(client)
  })
  readonly #links = new Set<Link>()
  #isPaused = false
  #isRefusing = false
  #delay = 0

  private constructor (target: { host: string; port: number }) {
    this.#target = target
  }

  /** Listens on a free port of 127.0.0.1 and passes everything to the host and port of a URL. */
  static async start (url: string): Promise<Proxy> {
    const { hostname, port } = new URL(url)
    const proxy = new Proxy({ host: hostname, port: Number(port) })
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening')
    return proxy
  }

  /** Where it listens, on 127.0.0.1. */
  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The same URL, led through this proxy. */
  through (url: string): string {
    const led = new URL(url)
    led.host = `127.0.0.1:${this.port}`
    return led.href
  }

  /** The URL of a MongoDB, led through this proxy, to this one server whatever it says of its replica set. */
  throughDirectly (url: string): string {
    const led = new URL(this.through(url))
    led.searchParams.delete('replicaSet')
    led.searchParams.set('directConnection', 'true')
    return led.href
  }

  /** Leads links that are opened from now on to the host and port of another URL; open ones stay where they are. */
  switchTo (url: string): void {
    const { hostname, port } = new URL(url)
    this.#target = { host: hostname, port: Number(port) }
  }

  /** How many links are open. */
  get links (): number {
    return this.#links.size
  }

  /** Black hole: nothing passes on any link, old or new, and nobody is told. `resume` lets the held bytes pass. */
  pause (): void {
    this.#isPaused = true
  }

  resume (): void {
    this.#isPaused = false
    for (const link of this.#links) link.wake()
  }

  /** Resets every open link now. */
  reset (): void {
    for (const link of this.#links) link.reset()
  }

  /** A NAT that forgot its table: every open link is reset, or goes silent, when its client next writes. */
  forget (ending: Ending): void {
    this.cutAfter(0, ending, 'client')
  }

  /** Cuts every open link after so many more bytes. */
  cutAfter (bytes: number, ending: Ending, side?: Side): void {
    for (const link of this.#links) link.fault = { after: bytes, side, ending }
  }

  /** Every piece of data waits so many milliseconds; 0 ends it. */
  delay (milliseconds: number): void {
    this.#delay = milliseconds
  }

  /** The server is down: open links are reset and new ones refused, until `accept`. */
  refuse (): void {
    this.#isRefusing = true
    this.reset()
  }

  accept (): void {
    this.#isRefusing = false
  }

  async close (): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.reset()
    await closed
  }

  async #link (client: Socket): Promise<void> {
    if (this.#isRefusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ ...this.#target, allowHalfOpen: true })
    const link = new Link(client, server)
    this.#links.add(link)
    const passing = [['client', client, server], ['server', server, client]] as const
    await Promise.allSettled(passing.map(([side, from, to]) => link.pass(side, from, to, () => this.#hold(link))))
    link.reset()
    this.#links.delete(link)
  }

  async #hold (link: Link): Promise<void> {
    if (this.#delay > 0) await sleep(this.#delay)
    while (this.#isPaused && !link.isClosed) await link.sleep()
  }
}

class Link {
  fault: Fault | undefined
  readonly #client: Socket
  readonly #server: Socket
  #sleepers: Array<() => void> = []

  constructor (client: Socket, server: Socket) {
    this.#client = client
    this.#server = server
    for (const socket of [client, server]) {
      socket.setNoDelay(true).on('error', () => {}).on('close', (broken) => {
        if (broken) this.reset()
        this.wake()
      })
    }
  }

  get isClosed (): boolean {
    return this.#client.destroyed || this.#server.destroyed
  }

  reset (): void {
    // What has been ended in order can no longer be reset, and Node 24 would not exit after an attempt.
    if (this.#client.writableEnded) this.#client.destroy()
    else this.#client.resetAndDestroy()
    this.#server.destroy()
  }

  sleep (): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers.push(resolve)
    })
  }

  wake (): void {
    for (const wake of this.#sleepers.splice(0)) wake()
  }

  /** Carries one direction until it ends. */
  async pass (side: Side, from: Socket, to: Socket, hold: () => Promise<void>): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      await hold()
      const passed = this.#spend(side, chunk)
      if (passed.length > 0 && !to.destroyed) to.write(passed)
      if (passed.length < chunk.length && !await this.#break(to)) return
    }
    to.end()
  }

  /** The bytes a fault still lets pass. */
  #spend (side: Side, chunk: Buffer): Buffer {
    const { fault } = this
    if (fault === undefined || (fault.side !== undefined && fault.side !== side && fault.after > 0)) return chunk
    const passed = chunk.subarray(0, fault.after)
    fault.after -= passed.length
    return passed
  }

  async #break (to: Socket): Promise<boolean> {
    if (this.fault?.ending !== 'reset') return true
    // What has passed must arrive before the reset.
    if (!to.destroyed) {
      await new Promise((resolve) => {
        to.write('', resolve)
      })
    }
    this.reset()
    return false
  }
}

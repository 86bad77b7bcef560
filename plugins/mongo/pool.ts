import type { MongoClient } from 'mongodb'

/**
 * Counts the connections of a client by the driver's pool events. Attach it before the client connects: a pool says
 * what happens to it, not how it is.
 */
export class MongoPool {
  readonly #ready = new Set<string>()
  #pools = 0
  #maxPerPool = 0
  #used = 0
  #waiting = 0

  constructor (client: MongoClient) {
    client.on('connectionPoolCreated', ({ options }) => {
      this.#pools++
      this.#maxPerPool = options.maxPoolSize ?? 0
    })
    client.on('connectionPoolClosed', () => {
      this.#pools--
    })
    client.on('connectionReady', ({ address, connectionId }) => {
      this.#ready.add(`${address} ${connectionId}`)
    })
    client.on('connectionClosed', ({ address, connectionId }) => {
      this.#ready.delete(`${address} ${connectionId}`)
    })
    client.on('connectionCheckOutStarted', () => {
      this.#waiting++
    })
    client.on('connectionCheckOutFailed', () => {
      this.#waiting--
    })
    client.on('connectionCheckedOut', () => {
      this.#waiting--
      this.#used++
    })
    client.on('connectionCheckedIn', () => {
      this.#used--
    })
  }

  /** Connections in use and idle, operations that wait for one, and how many there may be; all servers together. */
  get counts (): { used: number; idle: number; waiting: number; max: number } {
    return {
      used: this.#used,
      idle: Math.max(0, this.#ready.size - this.#used),
      waiting: this.#waiting,
      max: this.#pools * this.#maxPerPool
    }
  }
}

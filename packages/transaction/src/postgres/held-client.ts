import type { PoolClient } from 'pg'
import { noteDatabaseError } from '../core/origin.ts'
import { giveBack } from './give-back.ts'

/** The connection of a transaction: its end is heard, and it is given back exactly once. */
export class HeldClient {
  readonly client: PoolClient
  isReleased = false
  readonly #resetSession: boolean | undefined
  #lost: Error | undefined
  readonly #onError: (error: Error) => void
  readonly #onLost: (error: Error) => void

  /**
   * @param onLost told of the connection's end
   * @param resetSession see `giveBack`
   */
  constructor (client: PoolClient, onLost: (error: Error) => void, resetSession?: boolean) {
    this.client = client
    this.#onLost = onLost
    this.#resetSession = resetSession
    this.#onError = (error) => {
      this.#lost ??= noteDatabaseError(error)
      onLost(error)
    }
    client.on('error', this.#onError)
  }

  get isLost (): boolean {
    return this.#lost !== undefined
  }

  /** Tells of an end once more, which may have come before anybody could act on it. */
  tellLost (): void {
    if (this.#lost !== undefined) this.#onLost(this.#lost)
  }

  /** The only place that gives the connection back: as it is when it is clean, thrown away when anything is in doubt. */
  release (doubt?: unknown): void {
    if (this.isReleased) return
    this.isReleased = true
    this.client.removeListener('error', this.#onError)
    giveBack(this.client, doubt ?? this.#lost, this.#resetSession)
  }
}

import type { PoolClient } from 'pg'
import { getFirstWord, isRead } from '../statement-text.ts'

/** What a client of pg is at, and its types leave out. */
interface Working {
  _activeQuery?: { text?: string } | null
  _sentQueryQueue?: Array<{ text?: string }>
}

const ENDS = /(?:^|;)\s*(?:COMMIT|END|PREPARE TRANSACTION|ROLLBACK PREPARED)\b[^;]*$/i
const WRITES = new Set(['insert', 'update', 'delete', 'merge', 'with', 'truncate'])
const ASK_MS = 1000

/**
 * Sessions whose COMMIT, or write without a transaction, the server has not answered: it waits for a synchronous
 * standby. Ending the wait would show rows that no standby has, and a closed socket does not end the session: so each is
 * kept, and counted, until it is answered or lost.
 */
export class UnansweredCommits {
  readonly #ends = new Map<PoolClient, () => void>()
  readonly #areWaiting: () => Promise<boolean>
  readonly #onChange: () => void
  #timer: NodeJS.Timeout | undefined

  /**
   * @param areWaiting asks the server whether any session waits in such a statement
   * @param onChange told when there are more or less of them
   */
  constructor (areWaiting: () => Promise<boolean>, onChange: () => void) {
    this.#areWaiting = areWaiting
    this.#onChange = onChange
  }

  get count (): number {
    return this.#ends.size
  }

  /** @param destroy closes the connection and gives its place back */
  add (client: PoolClient, destroy: () => void): void {
    const end = () => {
      client.off('drain', end).off('end', end).off('error', end)
      client.on('error', () => {})
      if (!this.#ends.delete(client)) return
      destroy()
      this.#onChange()
    }
    this.#ends.set(client, end)
    client.on('drain', end).on('end', end).on('error', end)
    this.#onChange()
    this.#timer ??= setInterval(() => void this.#dropLost(), ASK_MS).unref()
  }

  /** Closes all of them; what they wait for goes on without them. */
  clear (): void {
    for (const end of this.#ends.values()) end()
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** A network that swallowed answers looks the same from here, and would hold the places for minutes. */
  async #dropLost (): Promise<void> {
    const known = [...this.#ends.keys()]
    const areWaiting = known.length > 0 && await this.#areWaiting().catch(() => true)
    if (!areWaiting) { for (const client of known) this.#ends.get(client)?.() }
    if (this.count === 0) this.clear()
  }
}

/** Asks whether a session of this user waits for its COMMIT: the answer is a row for each. */
export const WAITING = `SELECT pid FROM pg_catalog.pg_stat_activity
  WHERE usename = current_user AND pid <> pg_catalog.pg_backend_pid() AND state = 'active'
    AND (wait_event = 'SyncRep' OR (query ~* '(^|;)\\s*(commit|end|prepare transaction)' AND query_start < now() - interval '1 second'))
  LIMIT 1`

/** True where the server has not answered a statement that stores something for good, on a connection that lives. */
export function isCommitUnanswered (client: PoolClient): boolean {
  const { _activeQuery, _sentQueryQueue } = client as PoolClient & Working
  const text = _activeQuery?.text ?? _sentQueryQueue?.at(-1)?.text
  if (text === undefined || client.connection.stream.destroyed) return false
  return ENDS.test(text) || (client.getTransactionStatus() === 'I' && WRITES.has(getFirstWord(text)) && !isRead(text))
}

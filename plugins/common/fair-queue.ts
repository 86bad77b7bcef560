interface Ticket {
  state: 'waiting' | 'inside' | 'gone'
  admit: (isAdmitted: boolean) => void
  timer: NodeJS.Timeout | undefined
}

export interface FairQueueOptions {
  /** How many may be inside at once. */
  limit: number
  /** How many may wait; more are refused at once. */
  maxWaiting: number
  /** The longest wait in milliseconds; then it is refused. */
  longestWaitMs: number
}

/**
 * Lets so many in at once. Those who wait come in turn by their group, so that one group with many waits for itself
 * alone.
 */
export class FairQueue {
  /** Called when the last one has left. */
  onEmpty: (() => void) | undefined
  readonly #options: FairQueueOptions
  /** Groups in the order of their turns. */
  readonly #groups = new Map<string, Ticket[]>()
  #inside = 0
  #waiting = 0
  #refused = 0

  constructor (options: FairQueueOptions) {
    this.#options = options
  }

  get inside (): number {
    return this.#inside
  }
  get waiting (): number {
    return this.#waiting
  }
  get refused (): number {
    return this.#refused
  }

  /**
   * @param group whose turn it takes, such as an address
   * @param admit called once: with true when it may go in, with false when it is refused
   * @returns `leave`, to be called when it is over, also before its turn; more than once is harmless
   */
  enter (group: string, admit: (isAdmitted: boolean) => void): { leave: () => void } {
    const ticket: Ticket = { state: 'waiting', admit, timer: undefined }
    const leave = () => {
      this.#leave(group, ticket)
    }
    if (this.#inside < this.#options.limit) {
      this.#inside++
      ticket.state = 'inside'
      admit(true)
    } else if (this.#waiting >= this.#options.maxWaiting) {
      this.#refuse(ticket)
    } else {
      this.#wait(group, ticket)
    }
    return { leave }
  }

  /** Refuses all who wait. */
  clear (): void {
    const waiting = [...this.#groups].flatMap(([group, tickets]) => tickets.map((ticket) => ({ group, ticket })))
    for (const { group, ticket } of waiting) this.#giveUp(group, ticket)
  }

  #wait (group: string, ticket: Ticket): void {
    this.#waiting++
    const tickets = this.#groups.get(group)
    if (tickets === undefined) this.#groups.set(group, [ticket])
    else tickets.push(ticket)
    ticket.timer = setTimeout(() => {
      this.#giveUp(group, ticket)
    }, this.#options.longestWaitMs).unref()
  }

  #giveUp (group: string, ticket: Ticket): void {
    if (this.#remove(group, ticket)) this.#refuse(ticket)
  }

  #refuse (ticket: Ticket): void {
    ticket.state = 'gone'
    this.#refused++
    ticket.admit(false)
  }

  #leave (group: string, ticket: Ticket): void {
    if (ticket.state === 'waiting') this.#remove(group, ticket)
    const wasInside = ticket.state === 'inside'
    ticket.state = 'gone'
    if (!wasInside) return
    this.#inside--
    this.#admitNext()
    if (this.#inside === 0) this.onEmpty?.()
  }

  #remove (group: string, ticket: Ticket): boolean {
    const tickets = this.#groups.get(group)
    const at = tickets?.indexOf(ticket) ?? -1
    if (tickets === undefined || at < 0) return false
    tickets.splice(at, 1)
    if (tickets.length === 0) this.#groups.delete(group)
    this.#waiting--
    clearTimeout(ticket.timer)
    return true
  }

  #admitNext (): void {
    const [next] = this.#groups
    if (next === undefined) return
    const [group, tickets] = next
    const ticket = tickets[0]
    if (ticket === undefined || !this.#remove(group, ticket)) return
    // To the end of the turns.
    if (tickets.length > 0) {
      this.#groups.delete(group)
      this.#groups.set(group, tickets)
    }
    this.#inside++
    ticket.state = 'inside'
    ticket.admit(true)
  }
}

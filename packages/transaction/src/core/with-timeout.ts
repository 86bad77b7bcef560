/** Milliseconds a timer may be late before the process counts as having been busy. */
export const lateBy = 50

/** A wait that can be called off; see `afterTime`. */
export interface Wait {
  /** Calls it off. */
  stop: () => void
}

/**
 * Calls `onTime` after `time` milliseconds in which this process could listen. A busy process runs its timers before it
 * reads what has arrived meanwhile: so the sockets have their turn first, and one whose timer fired late waits once
 * more, for as long as the timer was late.
 *
 * @param time 1 or more
 * @param options `unref`: the wait alone keeps no process alive. Default false
 */
export function afterTime (time: number, onTime: () => void, { unref = false } = {}): Wait {
  const startedAt = performance.now()
  let immediate: NodeJS.Immediate | undefined
  // Node reads sockets between its timers and its immediates.
  const giveTurn = () => {
    immediate = setImmediate(onTime)
  }
  function start (milliseconds: number, listener: () => void): NodeJS.Timeout {
    const started = setTimeout(listener, milliseconds)
    return unref ? started.unref() : started
  }
  let timer = start(time, () => {
    const late = performance.now() - startedAt - time
    if (late < lateBy) giveTurn()
    else timer = start(Math.min(late, time), giveTurn)
  })
  return {
    stop: () => {
      clearTimeout(timer)
      clearImmediate(immediate)
    }
  }
}

/**
 * Waits for a promise, but no longer than `time` milliseconds (0: as long as it takes). An answer that has arrived
 * wins, also in a process that was too busy to read it. A later outcome of the promise is ignored.
 */
export function withTimeout<Result> (
  time: number,
  promise: Promise<Result>,
  message: string | (() => string)
): Promise<Result> {
  if (time === 0) return promise
  // By hand: Promise.race would cost each statement three promises more.
  return new Promise((resolve, reject) => {
    const wait = afterTime(time, () => {
      reject(new Error(typeof message === 'string' ? message : message()))
    })
    promise.then((result) => {
      wait.stop()
      resolve(result)
    }, (error: unknown) => {
      wait.stop()
      reject(error as Error)
    })
  })
}

/** Until when something is tried again. */
export class Patience {
  #until: number
  readonly #time: number
  readonly #load = performance.eventLoopUtilization()
  #isExtended = false

  /** @param time milliseconds from now */
  constructor (time: number) {
    this.#time = time
    this.#until = performance.now() + time
  }

  /**
   * True when the time is over. A process that was too busy to notice in time gets as much again as it was late, once.
   */
  get isOver (): boolean {
    const late = performance.now() - this.#until
    if (late < 0) return false
    const missed = Math.min(late, this.#time, performance.eventLoopUtilization(this.#load).active)
    if (missed < lateBy || this.#isExtended) return true
    this.#isExtended = true
    this.#until = performance.now() + missed
    return false
  }
}

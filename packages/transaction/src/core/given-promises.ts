import { TransactionUsageError } from '../errors.ts'

/**
 * A promise that ends no process when nobody listens, and knows whether somebody does. What is given to handlers is
 * one: a failure that nobody heard of must not end in a reply that claims success.
 */
export class WatchedPromise<Result> extends Promise<Result> {
  /** True once somebody awaits it, or has called `then`, `catch` or `finally`. */
  isAwaited = false

  // What others make of it is a plain promise, and theirs.
  static override get [Symbol.species] (): PromiseConstructor {
    return Promise
  }

  /** Tells what `work` tells. */
  static of<Result> (work: Promise<Result>): WatchedPromise<Result> {
    return WatchedPromise.settledBy((resolve, reject) => {
      work.then(resolve, reject)
    })
  }

  /** @param executor must not settle before it returns */
  static settledBy<Result> (
    executor: (resolve: (result: Result) => void, reject: (error: unknown) => void) => void
  ): WatchedPromise<Result> {
    const told: WatchedPromise<Result> = new WatchedPromise<Result>((resolve, reject) => {
      executor(resolve, (error) => {
        // Just before it rejects: one that resolves needs nobody to listen.
        void Promise.prototype.then.call(told, undefined, ignore)
        reject(error)
      })
    })
    return told
  }

  override then<Fulfilled = Result, Rejected = never> (
    onFulfilled?: ((result: Result) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null
  ): Promise<Fulfilled | Rejected> {
    this.isAwaited = true
    return super.then(onFulfilled, onRejected)
  }
}

export interface FollowOptions {
  /** A commit also fails while the work still runs and nobody listens. Default false: it is waited for elsewhere. */
  mustEnd?: boolean
}

interface Given {
  promise: WatchedPromise<unknown>
  error: Error | undefined
}

/** The promises that a transaction has given to the program. */
export class GivenPromises {
  readonly #label: string
  readonly #open = new Set<Given>()

  constructor (label: string) {
    this.#label = label
  }

  follow<Result> (work: Promise<Result>, { mustEnd = false }: FollowOptions = {}): Promise<Result> {
    const promise = WatchedPromise.settledBy<Result>((resolve, reject) => {
      work.then((result) => {
        this.#open.delete(given)
        resolve(result)
      }, (error: unknown) => {
        given.error = asError(error)
        reject(error)
      })
    })
    const given: Given = { promise, error: mustEnd ? unawaited(this.#label) : undefined }
    this.#open.add(given)
    return promise
  }

  /** What failed, or should have ended, and nobody has heard of. */
  get forgotten (): Error | undefined {
    for (const { promise, error } of this.#open) if (error !== undefined && !promise.isAwaited) return error
    return undefined
  }
}

function asError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('a promise that nobody awaited was rejected', { cause: thrown })
}

function unawaited (label: string): TransactionUsageError {
  return new TransactionUsageError(
    `work in the transaction of ${label} was still running when its reply came, and nobody awaited it; await it before you reply`
  )
}

/** Keeps a promise that is given away from ending the process when nobody listens. */
export function quiet<Result> (promise: Promise<Result>): Promise<Result> {
  promise.catch(ignore)
  return promise
}

/** For what has been dealt with elsewhere. */
export function ignore (): void {}

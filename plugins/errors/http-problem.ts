import type { ProblemError } from '../../schemas/problem.ts'
import type { ProblemType } from './catalog.ts'

/** What a problem says beside its status and detail. */
export interface ProblemExtras {
  /** Its type. Default: the one that belongs to the status. */
  type?: ProblemType
  /** The fields it is about. */
  errors?: ProblemError[]
}

/** An error whose message is written for the client: thrown by a handler or hook, it becomes the answer. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly statusCode: number
  /** Read by the error handler: the message may be shown. */
  readonly expose = true
  readonly type: ProblemType | undefined
  readonly errors: ProblemError[] | undefined

  constructor (status: number, detail: string, { type, errors }: ProblemExtras = {}) {
    super(detail)
    this.statusCode = status
    this.type = type
    this.errors = errors
  }
}

/**
 * Throws a problem unless a value is there.
 * @param value null, undefined, false, 0 and '' are not there
 * @param status status of the answer, 400 to 499
 * @param detail sentence for the client
 */
export function assert (value: unknown, status: number, detail: string): asserts value {
  if (!value) throw new HttpProblem(status, detail)
}

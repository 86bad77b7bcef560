import type { PoolClient, QueryArrayConfig, QueryConfig } from 'pg'
import { sendBegin, sendTogether, type Begin } from './begin-message.ts'
import type { HeldClient } from './held-client.ts'
import type { OpenContext } from '../core/driver.ts'
import { ignore } from '../core/given-promises.ts'
import { noteDatabaseError } from '../core/origin.ts'
import { withTimeout } from '../core/with-timeout.ts'
import { TransactionClosedError } from '../errors.ts'

/** A statement as pg takes it. */
export type Statement = string | QueryConfig | QueryArrayConfig

type Paged = Exclude<Statement, string> & { rows?: number }

/** What one transaction begins with. */
export interface BeginOptions extends Begin {
  /** False: it cannot write. */
  mayWrite: boolean
  /** Gives another connection for one on which BEGIN failed; throws what the program is told where there is none. */
  replace: (error: unknown) => Promise<PoolClient>
}

/**
 * The begin of a transaction: on the connection it was given, and on another one where that was dead. Until COMMIT is
 * sent nothing can be stored, so BEGIN and the first statement may be sent again.
 */
export class Beginning {
  /** The connection that the transaction has. */
  held: HeldClient
  /** True once the server has said so. */
  isBegun = false
  /** Why there is no connection to be had. */
  failure: unknown
  readonly #context: OpenContext
  readonly #options: BeginOptions
  readonly #timeout: number
  readonly #hold: (client: PoolClient) => HeldClient
  #isStopped = false

  /**
   * @param timeout milliseconds until BEGIN counts as not answered
   * @param hold takes a connection
   */
  constructor (
    client: PoolClient,
    context: OpenContext,
    options: BeginOptions,
    timeout: number,
    hold: (client: PoolClient) => HeldClient
  ) {
    this.#context = context
    this.#options = options
    this.#timeout = timeout
    this.#hold = hold
    this.held = hold(client)
  }

  /** The transaction ends: no connection is taken any more. */
  stop (): void {
    this.#isStopped = true
  }

  /** Sends BEGIN with its settings, and waits for it. */
  async alone (): Promise<void> {
    while (!await this.#isAnswered(sendBegin(this.held.client, this.#options)));
  }

  /**
   * Sends BEGIN together with the first statement; both again, one after the other, where the connection was dead. What
   * pg sends as a simple query has no Sync that BEGIN could share: it waits.
   */
  async together<Answer> (
    statement: Statement,
    values: unknown[] | undefined,
    send: (client: PoolClient) => Promise<Answer>
  ): Promise<Answer> {
    if (isExtended(statement, values)) {
      const { client } = this.held
      const { begun, answer } = sendTogether(client, this.#options, isNamed(statement, client), send)
      answer.catch(ignore)
      if (await this.#isAnswered(begun)) return await answer
    }
    await this.alone()
    return await send(this.held.client)
  }

  /** Waits for BEGIN; false: its connection was dead, and another one is there. */
  async #isAnswered (begun: Promise<unknown>): Promise<boolean> {
    try {
      await withTimeout(this.#timeout, begun, 'BEGIN was not answered in time')
      this.isBegun = true
      // From one packet pg reports both that it has begun and that the connection ends.
      this.held.tellLost()
      return true
    } catch (error) {
      this.held.release(noteDatabaseError(error))
      await this.#replace(error)
      return false
    }
  }

  async #replace (error: unknown): Promise<void> {
    try {
      if (this.#isStopped) throw this.#closed()
      this.held = this.#hold(await this.#options.replace(error))
      if (!this.#isStopped) return
      this.held.release()
      throw this.#closed()
    } catch (failure) {
      this.failure = failure
      if (failure instanceof Error) this.#context.onLost(failure)
      throw failure
    }
  }

  #closed (): TransactionClosedError {
    return new TransactionClosedError(this.#context.label, 'rolled back')
  }
}

/** Decides as pg does whether a statement goes by extended query; pages of `rows` are refused where pg pipelines. */
function isExtended (statement: string | Paged, values: unknown[] | undefined): boolean {
  if (typeof statement === 'string') return statement !== '' && values !== undefined && values.length > 0
  if ((statement.rows ?? 0) > 0) return false
  return hasName(statement) || (statement.text !== '' && (values ?? statement.values ?? []).length > 0)
}

/** A program that names its statements has connections that keep them, unless the client says that it drops names. */
function isNamed (statement: Statement, client: PoolClient & { dropsNames?: boolean }): boolean {
  return typeof statement === 'object' && hasName(statement) && client.dropsNames !== true
}

function hasName ({ name }: { name?: string | undefined }): boolean {
  return (name ?? '') !== ''
}

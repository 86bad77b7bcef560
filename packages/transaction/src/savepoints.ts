import { AsyncLocalStorage } from 'node:async_hooks'
import type { QueryResultRow } from 'pg'
import { ignore, quiet } from './core/given-promises.ts'
import type { SqlClient, Statement } from './core/sql.ts'
import { TransactionUsageError } from './errors.ts'

/** The queues whose savepoint callback is running: a call that could only wait for itself is refused. */
const running = new AsyncLocalStorage<ReadonlySet<SavepointQueue>>()

/**
 * The savepoints of one handle on a transaction, for a query builder whose `transaction()` is one. Siblings run one
 * after the other, since on one connection parallel savepoints would end each other; statements of the handle wait for
 * its open savepoint, since inside it they would be undone with it.
 */
export class SavepointQueue {
  /** Where the handle sends its statements. */
  readonly client: SqlClient
  readonly #outer: SqlClient
  /** Savepoints so far: their names never repeat within a transaction. */
  readonly #names: { count: number }
  #last: Promise<unknown> | undefined

  /** @param client the transaction, as `SqlHandles.bind` is given it */
  constructor (client: SqlClient, names = { count: 0 }) {
    this.#outer = client
    this.#names = names
    this.client = {
      ...client,
      query: <Row extends QueryResultRow>(statement: Statement, values?: unknown[]) => {
        const last = running.getStore()?.has(this) === true ? undefined : this.#last
        return last === undefined
          ? client.query<Row>(statement, values)
          : last.then(() => client.query<Row>(statement, values))
      }
    }
  }

  /**
   * Runs work inside a savepoint, which is undone when the work throws.
   * @param work is given the queue of the handle that it must use
   * @param config what the caller asked of the transaction; a savepoint can change nothing of it
   * @throws TransactionUsageError where a savepoint is configured, or would wait for itself
   */
  run<Result> (work: (inner: SavepointQueue) => Promise<Result>, config: object = {}): Promise<Result> {
    const savepoint = this.#inTurn(work, config)
    return this.#outer.follow?.(savepoint, { mustEnd: true }) ?? quiet(savepoint)
  }

  #inTurn<Result> (work: (inner: SavepointQueue) => Promise<Result>, config: object): Promise<Result> {
    const around = running.getStore()
    const refusal = around?.has(this) === true
      ? new TransactionUsageError(
        'a savepoint inside a savepoint must be opened on the handle that the outer callback was given'
      )
      : findConfigRefusal(config)
    if (refusal !== undefined) return Promise.reject(refusal)
    const turn = Promise.resolve(this.#last).then(() => this.#savepoint(work, new Set([...around ?? [], this])))
    const last = turn.then(ignore, ignore).then(() => {
      if (this.#last === last) this.#last = undefined
    })
    this.#last = last
    return turn
  }

  async #savepoint<Result> (
    work: (inner: SavepointQueue) => Promise<Result>,
    queues: ReadonlySet<SavepointQueue>
  ): Promise<Result> {
    const name = `"savepoint_${++this.#names.count}"`
    await this.#outer.query(`savepoint ${name}`)
    try {
      const result = await running.run(queues, work, new SavepointQueue(this.#outer, this.#names))
      await this.#outer.query(`release savepoint ${name}`)
      return result
    } catch (error) {
      // Where this fails too the whole transaction is over; what went wrong first is what the caller must hear.
      await this.#outer.query(`rollback to savepoint ${name}`).catch(ignore)
      throw error
    }
  }
}

/** No store can change these for a savepoint, and a handle that ignored them would not be what was asked for. */
function findConfigRefusal (config: object): TransactionUsageError | undefined {
  const asked = Object.entries(config).filter(([, value]) => value !== undefined).map(([name]) => name)
  if (asked.length === 0) return undefined
  return new TransactionUsageError(
    `transaction() inside a transaction is a savepoint, which cannot change ${
      asked.join(', ')
    }; declare it in config.transaction of the route`
  )
}

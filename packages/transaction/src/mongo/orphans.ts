import type { FastifyBaseLogger } from 'fastify'
import type { Binary, MongoClient } from 'mongodb'
import { TransactionUsageError } from '../errors.ts'
import { isUnanswered } from './errors.ts'
import { withTimeout } from '../core/with-timeout.ts'

/** Longest time spent looking, in milliseconds. */
const longestSearch = 2000
const late = 'the search for open transactions was not answered in time'

interface Operation {
  connectionId?: number
  isConnected: boolean
  lsid?: { id: Binary }
  transaction?: object
}

/**
 * The transactions that a killed process of the same instance left open on the server. Until they end, their documents
 * block plain writes and fail other transactions: up to the server's lifetime limit, a minute by default.
 */
export class Orphans {
  readonly #client: MongoClient
  readonly #instance: string
  readonly #log: FastifyBaseLogger
  #ended: Promise<void> | undefined
  #searches = 0

  /**
   * @param client a client whose `appName` is `instance`
   * @param instance a name that no other running process connects under
   */
  constructor (client: MongoClient, instance: string, log: FastifyBaseLogger) {
    const { appName } = client.options
    if (appName !== instance) {
      throw new TransactionUsageError(
        `transaction plugin, mongo.instance: the client's appName is ${
          appName === undefined ? 'not set' : `'${appName}'`
        }; create it with appName: '${instance}'`
      )
    }
    this.#client = client
    this.#instance = instance
    this.#log = log
  }

  /**
   * Ends them, once. While MongoDB is away this throws and the next call tries again; every other failure is logged and
   * given up, and so is a second search that takes too long.
   */
  end = (): Promise<void> => {
    this.#ended ??= this.#endAll()
    return this.#ended
  }

  async #endAll (): Promise<void> {
    const isFirst = this.#searches++ === 0
    try {
      const count = await withTimeout(longestSearch, endOrphans(this.#client, this.#instance), late)
      if (count > 0) {
        this.#log.warn(
          { store: 'mongodb', count },
          'ended the transactions that an earlier run of this instance had left open'
        )
      }
    } catch (error) {
      if (isUnanswered(error) || (isFirst && error instanceof Error && error.message === late)) {
        this.#ended = undefined
        throw error
      }
      this.#log.warn(
        { store: 'mongodb', err: error },
        'could not look for transactions that an earlier run had left open; they end by the lifetime limit of the server'
      )
    }
  }
}

/** Ends the transactions under this name whose connection is gone; those of a process that still runs keep theirs. */
async function endOrphans (client: MongoClient, instance: string): Promise<number> {
  const startedAt = performance.now()
  const admin = client.db('admin')
  const operations = await admin.aggregate<Operation>([
    { $currentOp: { allUsers: false, idleConnections: true, idleSessions: true } },
    { $match: { appName: instance } },
    { $project: { connectionId: 1, lsid: 1, transaction: 1, isConnected: { $eq: ['$type', 'op'] } } }
  ], { readConcern: { level: 'local' } }).toArray()
  const connected = new Set(operations.filter(({ isConnected }) => isConnected).map(({ connectionId }) => connectionId))
  const orphans = operations.flatMap(({ connectionId, lsid, transaction }) =>
    transaction === undefined || lsid === undefined || connected.has(connectionId) ? [] : [{ id: lsid.id }]
  )
  // Too late, this process may have transactions of its own.
  if (orphans.length === 0 || performance.now() - startedAt > longestSearch) return 0
  await admin.command({ killSessions: orphans })
  return orphans.length
}

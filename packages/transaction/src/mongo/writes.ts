import type { Collection, CollectionOptions, Db, MongoClient, ServerDescriptionChangedEvent } from 'mongodb'
import { UnconfirmedWriteError } from '../errors.ts'
import { isUnanswered, isUnreached } from './errors.ts'
import { call, isOneOf } from './members.ts'

const writes = [
  'insertOne',
  'insertMany',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'bulkWrite'
] as const

/**
 * A database whose writes outside transactions cannot lie: one that was sent and not answered, or not confirmed as the
 * write concern asks, throws `UnconfirmedWriteError` (outcome-unknown) instead of the driver's error, which would read
 * as "try again". Reads, `command()`, bulk builders and index work stay as they are.
 *
 * @param client the client of the database
 * @param db wrapped, not changed
 * @example
 * const db = confirmedWrites(client, client.db('shop'))
 */
export function confirmedWrites (client: MongoClient, db: Db): Db {
  const losses = getLosses(client)
  return new Proxy(db, {
    get (target, key) {
      if (key !== 'collection') return bound(target, key)
      return (name: string, options?: CollectionOptions) =>
        confirmedCollection(target.collection(name, options), client, losses)
    }
  })
}

function confirmedCollection (collection: Collection, client: MongoClient, losses: Losses): Collection {
  return new Proxy(collection, {
    get (target, key) {
      const member = bound(target, key)
      if (typeof key === 'symbol' || typeof member !== 'function' || !isOneOf(writes, key)) return member
      return async function confirmedWrite (...args: unknown[]): Promise<unknown> {
        const before = { losses: losses.count, time: performance.now() }
        try {
          return await call(target, member, args)
        } catch (error) {
          if (
            !mayBeStored(error, client, { losses: losses.count - before.losses, time: performance.now() - before.time })
          ) throw error
          throw new UnconfirmedWriteError(`${key} on ${target.collectionName}`, error)
        }
      }
    }
  })
}

/** Whether the server may have carried out a write that failed; `since` is what happened meanwhile. */
function mayBeStored (error: unknown, client: MongoClient, since: { losses: number; time: number }): boolean {
  if (!isUnanswered(error)) return false
  if (!isUnreached(error)) return true
  // Nothing was sent, unless the driver was repeating a first attempt: that one broke, which lost the server, or ran
  // into the socket's timeout.
  const { socketTimeoutMS } = client.options
  return since.losses > 0 || (socketTimeoutMS > 0 && since.time >= socketTimeoutMS)
}

/** How often a server that was known has been lost. */
interface Losses {
  count: number
}

const lossesOfClients = new WeakMap<MongoClient, Losses>()

function getLosses (client: MongoClient): Losses {
  const known = lossesOfClients.get(client)
  if (known !== undefined) return known
  const losses = { count: 0 }
  lossesOfClients.set(client, losses)
  client.on(
    'serverDescriptionChanged',
    function countLosses ({ previousDescription, newDescription }: ServerDescriptionChangedEvent) {
      if (newDescription.type === 'Unknown' && previousDescription.type !== 'Unknown') losses.count++
    }
  )
  return losses
}

function bound (target: object, key: string | symbol): unknown {
  const member: unknown = Reflect.get(target, key, target)
  return typeof member === 'function' && key !== 'constructor' ? member.bind(target) : member
}

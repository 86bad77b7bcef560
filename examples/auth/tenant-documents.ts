import type {
  DeleteResult,
  Document,
  Filter,
  FindOptions,
  OptionalUnlessRequiredId,
  UpdateFilter,
  WithId
} from 'mongodb'
import type { TransactionalDatabase } from 'fastify-transaction'

/** A document of a tenant, as it is stored. */
export interface OfTenant extends Document {
  _id: string
  tenant: string
}

/** What may be done with the documents of one tenant. Each filter is narrowed to them; there is no way around it. */
export interface TenantCollection<Schema extends OfTenant> {
  find: (filter: Filter<Schema>, options?: FindOptions) => Promise<Array<WithId<Schema>>>
  findOne: (filter: Filter<Schema>) => Promise<WithId<Schema> | null>
  /** The document becomes the tenant's, whatever it says. */
  insertOne: (document: Omit<Schema, 'tenant'>) => Promise<Schema>
  /** @throws TypeError for an update that names `tenant`, replaces the document or is a pipeline */
  updateOne: (filter: Filter<Schema>, update: UpdateFilter<Schema>) => Promise<WithId<Schema> | null>
  deleteOne: (filter: Filter<Schema>) => Promise<DeleteResult>
}

/**
 * A collection bound to one tenant. Aggregations are not offered: `$lookup` and `$unionWith` lead to other documents.
 * @param db `request.mongo`, on a transaction or not
 * @param tenant whose documents
 */
export function tenantCollection<Schema extends OfTenant> (
  db: TransactionalDatabase,
  name: string,
  tenant: string
): TenantCollection<Schema> {
  if (tenant === '') throw new TypeError(`The collection ${name} needs a tenant; take it from getCaller(request)`)
  const collection = db.collection<Schema>(name)
  // Beside the filter, not in it: a condition on `tenant` there could take this one's place.
  const own = (filter: Filter<Schema>) => ({ $and: [{ tenant }, filter] }) as Filter<Schema>
  return {
    find: async (filter, options) => await collection.find<WithId<Schema>>(own(filter), options).toArray(),
    findOne: async (filter) => await collection.findOne(own(filter)),
    insertOne: async (document) => {
      const stored = { ...document, tenant } as unknown as Schema
      await collection.insertOne(stored as OptionalUnlessRequiredId<Schema>)
      return stored
    },
    updateOne: async (filter, update) => {
      refuseTenant(update)
      return await collection.findOneAndUpdate(own(filter), update, { returnDocument: 'after' })
    },
    deleteOne: async (filter) => await collection.deleteOne(own(filter))
  }
}

function refuseTenant (update: object): void {
  const operators = Array.isArray(update) ? [] : Object.entries(update)
  const isUpdate = operators.length > 0 && operators.every(([name]) => name.startsWith('$'))
  const fields = operators.flatMap(([operator, value]) => {
    const changes = Object.entries(Object(value) as object)
    // The value of $rename is the new name of a field.
    return operator === '$rename' ? changes.flat().map(String) : changes.map(([field]) => field)
  })
  if (isUpdate && !fields.some((field) => field === 'tenant' || field.startsWith('tenant.'))) return
  throw new TypeError('An update of a tenant names fields by operators, and never the tenant')
}

import { capitalize, withArticle } from '../names.ts'
import type { Resource } from '../resource.ts'
import { filterType, missing, newAndChanges, violations } from './types.ts'

/** `plugins/repositories/<resource>.ts` of a resource in MongoDB. */
export function mongoRepositoryFile (resource: Resource): string {
  const { file, table, one, type, types, words } = resource
  return `import { ObjectId } from 'mongodb'
import { ${one}List, ${type}Schema } from '../../schemas/${file}.ts'
import type { Documents } from '../mongo/json/find-raw.ts'
import { mongoPages } from '../mongo/json/page-reader.ts'
import type { ListRequest } from '../paging/cursor.ts'
import type { Page } from '../paging/page.ts'
import { documentCursor, hasVersion, toPageQuery } from './documents.ts'
import type { Precondition } from './expected-version.ts'

${newAndChanges(resource)}
/** ${capitalize(withArticle(words))} as MongoDB keeps it. */
export interface ${type}Document extends New${type} {
  _id: ObjectId
  created_at: Date
  updated_at: Date
  /** Counts the writes. */
  version: number
}
/** ${capitalize(withArticle(words))} as clients see it, and the version that its ETag is made of. */
export type ${type} = Omit<${type}Document, '_id' | 'version'> & { id: string }
export type Stored${type} = ${type} & { version: number }

const read${types} = mongoPages('${table}', ${type}Schema, documentCursor(${one}List))

${repository(resource)}`
}

function repository (resource: Resource): string {
  const { table, one, type, pluralWords } = resource
  return `export type ${type}Repository = ReturnType<typeof create${type}Repository>

/**
 * ${capitalize(pluralWords)} in MongoDB.
 * @param db the handle to run on: \`request.mongo\` on a transaction, or a plain database
 */
export function create${type}Repository (db: Documents) {
  const collection = db.collection<${type}Document>('${table}')
  return {
${createAndRead(resource)}

${changeAndDelete(resource)}
  }
}

function to${type} ({ _id, ...${one} }: ${type}Document): Stored${type} {
  return { id: _id.toHexString(), ...${one} }
}
`
}

function createAndRead (resource: Resource): string {
  const { one, type, types, pluralWords } = resource
  return `    /** ${violations(resource)} */
    async create (${one}: New${type}): Promise<Stored${type}> {
      const now = new Date()
      const document = { _id: new ObjectId(), ...${one}, created_at: now, updated_at: now, version: 1 }
      await collection.insertOne(document)
      return to${type}(document)
    },

    async getById (id: string): Promise<Stored${type} | null> {
      const document = await collection.findOne({ _id: new ObjectId(id) })
      return document === null ? null : to${type}(document)
    },

    /** ${capitalize(pluralWords)}, newest first or as asked. */
    async list (page: ListRequest${filterType(resource)}): Promise<Page<${type}>> {
      return await read${types}(db, toPageQuery(${one}List, page), page.limit)
    },`
}

function changeAndDelete (resource: Resource): string {
  const { type, words } = resource
  return `    /** Changes only the fields that are given; ${missing(resource)}. */
    async update (id: string, changes: ${type}Changes, expected: Precondition = {}): Promise<Stored${type} | null> {
      const filter = { _id: new ObjectId(id), ...hasVersion(expected) }
      const update = { $set: { ...changes, updated_at: new Date() }, $inc: { version: 1 } }
      const document = await collection.findOneAndUpdate(filter, update, { returnDocument: 'after' })
      return document === null ? null : to${type}(document)
    },

    /** True when there was such ${withArticle(words)}, as expected. */
    async delete (id: string, expected: Precondition = {}): Promise<boolean> {
      const { deletedCount } = await collection.deleteOne({ _id: new ObjectId(id), ...hasVersion(expected) })
      return deletedCount > 0
    }`
}

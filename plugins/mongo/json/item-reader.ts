import { Type, type TObject } from '@sinclair/typebox'
import type { ObjectId } from 'mongodb'
import { compileBatch } from './bson-json.ts'
import { findRaw, isPlain, toProjection, type Documents } from './find-raw.ts'
import { StrangeDocumentError } from './strange.ts'

/** A resource as the JSON text that is answered, made of a document without an object in between. */
export class TextItem<Item> {
  readonly json: string
  readonly version: number
  /** What the text is of; for the type alone. */
  declare readonly item: Item

  constructor (json: string, version: number) {
    this.json = json
    this.version = version
  }
}

const readVersion = compileBatch(Type.Object({ version: Type.Optional(Type.Integer({ minimum: 0 })) }))

/**
 * Prepares reading one document by its `_id`, as `mongoPages` reads many: raw bytes become JSON text. It takes two thirds
 * of the processor time of `findOne`, most of which goes into the driver's cursors.
 * @param collection name of the collection
 * @param schema what the resource looks like to a client; `id` is the document's `_id`
 * @returns takes a handle and an id. Undefined where the driver shall read: on a transaction, on a test's double, and
 * when the server went away, because it repeats a find by itself
 * @throws StrangeDocumentError for a document that the schema does not admit
 */
export function mongoItem<Item> (
  collection: string,
  schema: TObject
): (db: Documents, id: ObjectId) => Promise<TextItem<Item> | null | undefined> {
  const toJson = compileBatch(schema, { id: '_id' })
  // What others have put into a document is of no interest, whatever type it has.
  const projection = toProjection([...Object.keys(schema.properties), 'version'])
  function toItem (document: Uint8Array): TextItem<Item> {
    const [{ last, strange }, version] = [toJson([document], 1), readVersion([document], 1)]
    const [fault = version.strange[0]] = strange
    if (fault !== undefined) throw new StrangeDocumentError(collection, fault)
    return new TextItem(last ?? '', (JSON.parse(version.last ?? '{}') as { version?: number }).version ?? 0)
  }
  return async function readItem (db, id) {
    if (!isPlain(db)) return undefined
    const cursor = await findRaw(db, collection, { filter: { _id: id }, projection, limit: 1, singleBatch: true })
    if (cursor === undefined) return undefined
    const [document] = cursor.firstBatch
    return document === undefined ? null : toItem(document)
  }
}

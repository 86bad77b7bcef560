/** A table of SQL that is copied to MongoDB: its ids and versions are known there, and must never be given out again. */
export interface CopiedTable {
  table: string
  /** Where MongoDB holds the copy: the collection, with its fields for id and version. */
  copy: { collection: string; id: string; version: string }
  /** Other fields of MongoDB that hold ids of the table. */
  references: Array<{ collection: string; field: string }>
}

/** The table that is copied; undefined where none is. */
export const copiedTable: CopiedTable | undefined = {
  table: 'users',
  copy: { collection: 'users', id: '_id', version: '_v' },
  references: [{ collection: 'posts', field: 'author_id' }]
}

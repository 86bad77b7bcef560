import type { Document } from 'mongodb'

// A JavaScript integer above 2^31 is stored as a double, so `int` alone would refuse it.
const integer = { bsonType: ['int', 'long', 'double'], multipleOf: 1, minimum: 1 }

function text (minLength: number, maxLength: number): Document {
  return { bsonType: 'string', minLength, maxLength }
}

/** What each collection accepts: the last line behind the schemas of the API, and the only one for other writers. */
export const validators: Record<string, Document> = {
  posts: {
    $jsonSchema: {
      bsonType: 'object',
      required: ['_id', 'title', 'content', 'category', 'author_id', 'created_at', 'updated_at'],
      additionalProperties: false,
      properties: {
        _id: { bsonType: 'objectId' },
        title: text(1, 200),
        content: text(0, 100_000),
        category: text(1, 50),
        author_id: integer,
        slug: text(1, 200),
        created_at: { bsonType: 'date' },
        updated_at: { bsonType: 'date' }
      }
    }
  },
  users: {
    $jsonSchema: {
      bsonType: 'object',
      required: ['_id', '_v'],
      properties: {
        _id: integer,
        _v: { bsonType: ['int', 'long', 'double'] },
        name: { bsonType: 'string' },
        email: { bsonType: 'string' },
        _deleted: { bsonType: 'bool' }
      }
    }
  }
}

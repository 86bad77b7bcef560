import type { Document } from 'mongodb'
import { PostSchema } from '../../schemas/posts.ts'

// A JavaScript integer above 2^31 is stored as a double, so `int` alone would refuse it.
const NUMBER = ['int', 'long', 'double']
const positive = { bsonType: NUMBER, multipleOf: 1, minimum: 1 }
const { title, content, category, slug } = PostSchema.properties

// The server knows few keywords of JSON Schema and refuses the others, so only the bounds are taken over.
function text ({ minLength = 0, maxLength }: { minLength?: number, maxLength?: number }): Document {
  return { bsonType: 'string', minLength, ...(maxLength === undefined ? {} : { maxLength }) }
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
        title: text(title),
        content: text(content),
        category: text(category),
        // A text would never be found by $lookup, which compares types too.
        author_id: positive,
        slug: text(slug),
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
        _id: positive,
        _v: { bsonType: NUMBER },
        name: { bsonType: 'string' },
        email: { bsonType: 'string' },
        _deleted: { bsonType: 'bool' }
      }
    }
  }
}

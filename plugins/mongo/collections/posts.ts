import { PostSchema } from '../../../schemas/posts.ts'
import { COUNTER, ID, TIMESTAMP, toTextRule, type Collection } from '../collection.ts'

const { title, content, category, slug } = PostSchema.properties

/** Posts, whose home is here. */
export default {
  name: 'posts',
  indexes: [
    // With all that a summary shows, so that summaries never touch a document.
    { name: 'posts_created_at_idx', key: { created_at: -1, _id: -1, title: 1, category: 1, author_id: 1 } },
    { name: 'posts_category_created_at_idx', key: { category: 1, created_at: -1, _id: -1 } },
    { name: 'posts_category_title_idx', key: { category: 1, title: 1, _id: 1 } },
    { name: 'posts_title_idx', key: { title: 1, _id: 1 } },
    { name: 'posts_author_id_created_at_idx', key: { author_id: 1, created_at: -1, _id: -1 } },
    {
      name: 'posts_slug_key',
      key: { slug: 1 },
      unique: true,
      partialFilterExpression: { slug: { $exists: true } },
      problem: { pointer: '/slug', detail: 'Post with this slug already exists' }
    }
  ],
  validator: {
    $jsonSchema: {
      bsonType: 'object',
      required: ['_id', 'title', 'content', 'category', 'author_id', 'created_at', 'updated_at'],
      additionalProperties: false,
      properties: {
        _id: { bsonType: 'objectId' },
        title: toTextRule(title),
        content: toTextRule(content),
        category: toTextRule(category),
        // A text would never be found by $lookup, which compares types too.
        author_id: ID,
        slug: toTextRule(slug),
        created_at: { bsonType: 'date' },
        updated_at: { bsonType: 'date' },
        version: { ...COUNTER, minimum: 1 }
      }
    },
    created_at: TIMESTAMP,
    updated_at: TIMESTAMP
  }
} satisfies Collection

import { COUNTER, ID, type Collection } from '../collection.ts'

/** The copy of the users, which the outbox writes. */
export default {
  name: 'users',
  indexes: [
    // A late event must find the tombstone of a deleted user; after a week none comes.
    { name: 'users_deleted_at_idx', key: { _deleted_at: 1 }, expireAfterSeconds: 7 * 24 * 3600 },
    // The highest version that was ever seen, by which SQL is found to have gone back.
    { name: 'users_v_idx', key: { _v: -1 } }
  ],
  validator: {
    $jsonSchema: {
      bsonType: 'object',
      required: ['_id', '_v'],
      // A tombstone has neither, and is in no list.
      anyOf: [{ required: ['name', 'email'] }, { required: ['_deleted'] }],
      properties: {
        _id: ID,
        _v: COUNTER,
        name: { bsonType: 'string' },
        email: { bsonType: 'string' },
        _deleted: { bsonType: 'bool' },
        _absent: { bsonType: 'bool' }
      }
    }
  }
} satisfies Collection

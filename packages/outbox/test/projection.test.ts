// The projection into MongoDB.
import { MongoClient } from 'mongodb'
import t from 'tap'
import { isTransient, projectToMongo, type OutboxEvent, type Projected } from '../src/index.ts'
import { freshMongo } from '../../../test/fresh.ts'

t.test('MongoDB projection', async (t) => {
  const { db } = await freshMongo(t)
  interface Thing {
    name: string
    deleted?: boolean
  }
  const things = db.collection<Projected<string>>('things')
  const apply = projectToMongo<string, Thing>({
    collection: () => things,
    document: ({ payload }) => payload.deleted === true ? null : { name: payload.name }
  })
  const made = (id: number, key: string, payload: unknown): OutboxEvent => ({
    id: String(id),
    topic: 'things',
    key,
    payload,
    attempts: 0,
    createdAt: new Date()
  })
  const signal = new AbortController().signal
  const run = async (...events: OutboxEvent[]) => await apply(events, { signal })
  const read = async () => (await things.find().sort({ _id: 1 }).toArray()).map(({ _deleted_at, ...rest }) => rest)

  t.same(await run(made(5, 'a', { name: 'five' }), made(6, 'b', { name: 'six' })), [])
  t.same(await read(), [{ _id: 'a', name: 'five', _v: 5 }, { _id: 'b', name: 'six', _v: 6 }])
  await run(made(5, 'a', { name: 'five' }))
  await run(made(4, 'a', { name: 'four' }))
  t.same((await read())[0], { _id: 'a', name: 'five', _v: 5 }, 'repeats and latecomers change nothing')
  await run(made(9, 'a', { name: '$nine' }), made(8, 'a', { name: 'eight' }))
  t.same((await read())[0], { _id: 'a', name: '$nine', _v: 9 }, 'the newest of a batch wins; a $ is just a letter')
  await run(made(12, 'b', { deleted: true }))
  await run(made(11, 'b', { name: 'zombie' }))
  t.same((await read())[1], { _id: 'b', _v: 12, _deleted: true }, 'a late older event does not bring back the dead')
  t.type((await things.findOne({ _id: 'b' }))?._deleted_at, Date)

  await db.command({ collMod: 'things', validator: { $jsonSchema: { properties: { name: { maxLength: 5 } } } } })
  const nowhere = await new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 50 }).connect().catch((
    error: unknown
  ) => error)
  t.ok(isTransient(nowhere), 'a server that is away')
  t.ok(
    isTransient(Object.assign(new Error('bulk'), { name: 'MongoBulkWriteError', errorResponse: nowhere })),
    'also inside a bulk write'
  )
  t.notOk(
    isTransient(
      Object.assign(new Error('E11000'), { name: 'MongoBulkWriteError', code: 11000, errorResponse: { code: 11000 } })
    )
  )

  const failures = await run(
    made(20, 'c', { name: 'good' }),
    made(21, 'd', { name: 'too long' }),
    made(22, 'd', { name: 'too long again' }),
    made(23, 'e', { name: 'good' })
  )
  t.same((failures ?? []).map(({ id }) => id), ['21', '22'], 'every event about the refused document is blamed')
  t.same((await read()).map(({ _id }) => _id), ['a', 'b', 'c', 'e'])
})

// A copy that goes page by page and was interrupted is gone on with, as long as MongoDB reaches back to where it began.
import { MongoServerError, type ChangeStreamOptions } from 'mongodb'
import t from 'tap'
import { appWith, copyAll, onPostgres, type Given } from './app.ts'

t.test('an interrupted copy', async (t) => {
  const { things, store, rows, equals } = await onPostgres(t)

  /** Breaks after the first document; keeps what `copyFrom` needs, and which positions it was given. */
  function createCopy () {
    const positions: string[] = []
    let after = 0
    const given: Given = {
      copyFrom: async () => after === 0 ? undefined : positions[0],
      copyPages: async (run, source) => {
        const isFirst = positions.push(source.position) === 1
        if (!isFirst && source.position !== positions[0]) after = 0
        const filter = { _id: { $gt: after } }
        const documents = await source.collection.find(filter, { session: source.session }).sort({ _id: 1 }).toArray()
        for (const { _id, n } of documents) {
          await run((tx) => tx.query('INSERT INTO things VALUES ($1, $2) ON CONFLICT DO NOTHING', [_id, n]))
          after = _id
          if (isFirst) throw new Error('interrupted')
        }
        return { copied: documents.length }
      }
    }
    return { given, positions }
  }

  t.test('is gone on with, and the stream goes on from where it began', async (t) => {
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }, { _id: 3, n: 3 }])
    const { given, positions } = createCopy()
    const first = await appWith(t, store, things, { ...given, follow: false })
    await t.rejects(first.app.changeStream.resync('things'), { message: 'interrupted' })
    t.same(await rows(), [{ id: 1, n: 1 }])
    await things.updateOne({ _id: 1 }, { $set: { n: 10 } })
    const { app } = await appWith(t, store, things, given)
    await equals([{ id: 1, n: 10 }, { id: 2, n: 2 }, { id: 3, n: 3 }])
    t.equal(positions.length, 2)
    t.equal(positions[1], positions[0], 'the same position')
    await Promise.all([app.close(), first.app.close()])
  })

  t.test('begins anew where MongoDB has forgotten that position', async (t) => {
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }])
    const { given, positions } = createCopy()
    // The oplog of a new replica set counts as complete for ever, so the server is made to say it.
    const forgetful = new Proxy(things, {
      get: (target, name) =>
        name !== 'watch' ? Reflect.get(target, name) : (pipeline: object[], options: ChangeStreamOptions) => {
          const stream = target.watch(pipeline, options)
          if (options.startAfter === undefined) return stream
          stream.tryNext = async () => {
            throw Object.assign(new MongoServerError({ message: 'the resume point may no longer be in the oplog' }), {
              code: 286
            })
          }
          return stream
        }
    })
    const { app } = await appWith(t, store, forgetful, { ...given, follow: false })
    await t.rejects(app.changeStream.resync('things'), { message: 'interrupted' })
    await things.insertOne({ _id: 3, n: 3 })
    t.match(await app.changeStream.resync('things'), { copied: 3 }, 'all of it')
    t.not(positions[1], positions[0], 'from a new position')
    await app.close()
  })

  t.test('any other failure of looking is told, and nothing is thrown away', async (t) => {
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }])
    const { given } = createCopy()
    const failing = { ...given, copyFrom: async () => Promise.reject(new Error('the place of progress is away')) }
    const { app } = await appWith(t, store, things, { ...failing, copy: copyAll, follow: false })
    await t.rejects(app.changeStream.resync('things'), { message: 'the place of progress is away' })
    await app.close()
  })
})

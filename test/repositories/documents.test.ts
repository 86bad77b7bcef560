// Reading documents as JSON text, on the notes of the tests: what every collection has.
import { MongoNetworkError, ObjectId, Timestamp, type Db } from 'mongodb'
import t from 'tap'
import type { Documents } from '../../plugins/mongo/json/find-raw.ts'
import { mongoItem, TextItem } from '../../plugins/mongo/json/item-reader.ts'
import type { ListRequest } from '../../plugins/paging/cursor.ts'
import { toPageQuery } from '../../plugins/repositories/documents.ts'
import { noteList, NoteSchema } from '../fixture/tables.ts'
import { notePages } from '../fixture/things.ts'
import { openMongo, withFailingCommands, withoutCommands } from './mongo-handles.ts'

const readItem = mongoItem('notes', NoteSchema)
const readPage = async (db: Documents, request: ListRequest & { name?: string }) =>
  await notePages(db, toPageQuery(noteList, request), request.limit)

// Lists have an index; where the server sorts by itself it leaves a cursor open.
const addIndexes = async (db: Db) =>
  await db.collection('notes').createIndexes([
    { key: { made_at: -1, _id: -1 } },
    { key: { name: 1, made_at: -1, _id: -1 } }
  ])

async function addNotes (db: Db, documents: object[]): Promise<ObjectId[]> {
  const notes = documents.map((document, n) => ({
    _id: new ObjectId(),
    name: `Note ${n}`,
    text: '',
    made_at: new Date(n * 1000),
    ...document
  }))
  await db.collection('notes').insertMany(notes)
  return notes.map(({ _id }) => _id)
}

t.test('one document by its id, as text; a strange one is refused by its id', async (t) => {
  const { db, commands } = await openMongo(t, addIndexes)
  const [id = new ObjectId()] = await addNotes(db, [{
    version: 7,
    name: '"\\ 😀',
    text: `${'é'.repeat(1000)}\n\u2028`
  }])
  commands.length = 0
  const item = await readItem(db, id)
  if (!(item instanceof TextItem)) throw new TypeError('a plain database is read as text')
  t.match(JSON.parse(item.json), { id: String(id), name: '"\\ 😀', made_at: '1970-01-01T00:00:00.000Z' })
  t.equal(item.version, 7)
  t.equal(commands.length, 1)
  t.equal(await readItem(db, new ObjectId()), null)
  t.equal(await readItem(withoutCommands(db), id), undefined, 'on a transaction the driver reads')
  for (const fault of [{ version: 1.5 }, { version: -1 }, { name: 3 }]) {
    const [strange = new ObjectId()] = await addNotes(db, [fault])
    await t.rejects(readItem(db, strange), { code: 'DOCUMENT_STRANGE', id: strange })
  }
})

t.test('cursors visit every document once, also where moments are shared, by raw bytes and by the driver', async (t) => {
  const { db, commands } = await openMongo(t, addIndexes)
  const ids = await addNotes(
    db,
    Array.from(
      { length: 23 },
      (_, n) => ({ made_at: new Date(Math.floor(n / 7) * 1000), name: n % 2 ? 'odd' : 'even' })
    )
  )
  for (const handle of [db, withoutCommands(db)]) {
    for (const [request, wanted] of [[{}, ids], [{ name: 'odd' }, ids.filter((_, n) => n % 2 === 1)]] as const) {
      const seen: string[] = []
      for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
        commands.length = 0
        const page = await readPage(handle, { limit: 5, ...request, ...(after === undefined ? {} : { after }) })
        t.equal(commands.length, 1)
        if (handle === db) t.strictSame(JSON.parse(String(page.json)).length, page.items.length)
        seen.push(...page.items.map(({ id }) => id))
        after = page.next
      }
      // Newest first; ids grow with each insert.
      t.strictSame(seen, wanted.map(String).toReversed())
    }
  }
})

t.test('what the server says of itself with an error is no bytes: the driver compares it', async (t) => {
  const { db } = await openMongo(t, addIndexes)
  const error = await readPage(db, { limit: 1, skip: -1 }).catch((reason: unknown) => reason)
  t.match(error, { code: 51_024, errorResponse: { $clusterTime: { clusterTime: Timestamp } } })
})

t.test('a page that is larger than one reply ends early, without a cursor left open', async (t) => {
  const { db, commands } = await openMongo(t, addIndexes)
  await addNotes(db, Array.from({ length: 55 }, () => ({ text: '漢😀'.repeat(50_000) })))
  const page = await readPage(db, { limit: 54 })
  t.equal(page.items.length, 7)
  t.type(page.next, 'string', 'and knows that there is more')
  t.strictSame(commands.map(({ commandName }) => commandName).slice(-2), ['find', 'killCursors'])
})

t.test('a server that went away is asked once more by the driver; other errors are not repeated', async (t) => {
  const { db } = await openMongo(t, addIndexes)
  const [id = new ObjectId()] = await addNotes(db, [{}])
  let error: Error = new MongoNetworkError('connection closed')
  const failing = withFailingCommands(db, () => error)
  t.equal((await readPage(failing, { limit: 5 })).items.length, 1)
  t.equal(await readItem(failing, id), undefined, 'one is left to the driver')
  error = new TypeError('a document lacks a required field')
  await t.rejects(readPage(failing, { limit: 5 }), TypeError)
  await t.rejects(readItem(failing, id), TypeError)
})

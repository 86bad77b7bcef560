// A transaction in MongoDB alone; pg is not installed.
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import transaction from 'fastify-transaction'

interface Note {
  text: string
}

const app = Fastify()
const client = await new MongoClient(process.env['MONGODB_URL'] ?? '').connect()
app.addHook('onClose', () => client.close())
await app.register(transaction, { mongo: { client, db: client.db(process.env['MONGODB_DATABASE'] ?? 'notes') } })

app.post<{ Body: { first: string; second?: string } }>('/notes', {
  config: { transaction: { store: 'mongo', retries: 5 } }
}, async function addNotes (request, reply) {
  const { first, second } = request.body
  const notes = request.mongo.collection<Note>('note')
  await notes.insertOne({ text: first })
  if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
  await notes.insertOne({ text: second })
  return await reply.code(201).send({ stored: 2 })
})

app.get('/notes', async (request) => {
  return await request.mongo.collection<Note>('note').find({}, { projection: { _id: 0 }, sort: { _id: 1 } }).toArray()
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))

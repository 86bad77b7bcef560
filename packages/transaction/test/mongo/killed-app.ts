// An app that is killed while a request has a transaction open; started by orphans.ts.
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import transaction from '../../src/index.ts'

const [url = '', appName = ''] = process.argv.slice(2)
const client = await new MongoClient(url, { appName }).connect()
const app = Fastify()
await app.register(transaction, { mongo: { client, db: client.db(appName), instance: appName } })
app.post('/', { config: { transaction: { store: 'mongo' } } }, async function hold (request) {
  await request.mongo.collection<{ _id: number }>('item').insertOne({ _id: 1 })
  process.send?.('open')
  await new Promise(() => {})
})
await app.ready()
void app.inject({ method: 'POST', url: '/' })

// A process that follows the stream `things` and dies in the middle of its first batch: after the effect, before the
// COMMIT.
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import changeStream, { postgresStore } from '../src/index.ts'

const [databaseUrl, mongoUrl, mongoDatabase] = process.argv.slice(2)
const client = await new MongoClient(String(mongoUrl)).connect()
const app = Fastify()
app.register(changeStream, { store: postgresStore(new pg.Pool({ connectionString: databaseUrl })) })
app.after(() => {
  app.changeStream.follow('things', {
    collection: () => client.db(String(mongoDatabase)).collection('things'),
    copy: async () => ({}),
    apply: async (tx, changes) => {
      for (const _ of changes) await tx.query('INSERT INTO seen (what) VALUES ($1)', ['from the dead'])
      process.kill(process.pid, 'SIGKILL')
    }
  })
})
await app.ready()

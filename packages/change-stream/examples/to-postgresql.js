// Articles live in MongoDB; PostgreSQL has a copy of their titles that follows each change exactly once.
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import changeStream, { changeStreamSql, postgresStore } from 'fastify-change-stream'

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const client = await new MongoClient(process.env.MONGODB_URL).connect()
const articles = client.db(process.env.MONGODB_DATABASE ?? 'articles').collection('article')
pool.on('error', (error) => app.log.warn(error))
app.addHook('onClose', () => Promise.all([pool.end(), client.close()]))
await pool.query(`create table if not exists article (id text primary key, title text); ${changeStreamSql('postgres')}`)
await app.register(changeStream, { store: postgresStore(pool) })

const upsert = (tx, { _id, title }) => tx.query(
  'insert into article (id, title) values ($1, $2) on conflict (id) do update set title = excluded.title', [String(_id), title])

app.changeStream.follow('articles', {
  collection: () => articles,
  async apply (tx, changes) {
    for (const { operationType, documentKey, fullDocument } of changes) {
      if (operationType === 'drop') await tx.query('delete from article')
      else if (operationType === 'delete') await tx.query('delete from article where id = $1', [String(documentKey._id)])
      else if (fullDocument) await upsert(tx, fullDocument)
    }
  },
  async copy (tx, { collection, session }) {
    await tx.query('delete from article')
    let copied = 0
    for await (const document of collection.find({}, { session })) {
      await upsert(tx, document)
      copied++
    }
    return { copied }
  }
})

app.post('/articles', async function addArticle (request, reply) {
  const { insertedId } = await articles.insertOne({ title: request.body.title })
  return reply.code(201).send({ id: insertedId })
})

app.get('/titles', async () => (await pool.query('select title from article order by title')).rows)

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))

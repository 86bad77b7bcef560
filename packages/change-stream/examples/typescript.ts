// A stream says what its documents are; each kind of change has its own type.
import Fastify from 'fastify'
import { MongoClient, ObjectId } from 'mongodb'
import pg from 'pg'
import changeStream, { changeStreamSql, postgresStore, type Sql } from 'fastify-change-stream'

interface Article {
  _id: ObjectId
  title: string
}

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
const client = new MongoClient(process.env['MONGODB_URL'] ?? 'mongodb://127.0.0.1:27017')
const articles = client.db(process.env['MONGODB_DATABASE'] ?? 'articles').collection<Article>('article')
pool.on('error', (error) => {
  app.log.warn(error)
})
app.addHook('onClose', () => Promise.all([pool.end(), client.close()]))
await client.connect()
await pool.query(`create table if not exists article (id text primary key, title text); ${changeStreamSql('postgres')}`)
await app.register(changeStream, { store: postgresStore(pool) })

async function upsert (tx: Sql, { _id, title }: Article): Promise<void> {
  await tx.query(
    'insert into article (id, title) values ($1, $2) on conflict (id) do update set title = excluded.title',
    [String(_id), title]
  )
}

app.changeStream.follow<Article>('articles', {
  collection: () => articles,
  async apply (tx, changes) {
    for (const change of changes) {
      if (change.operationType === 'drop') await tx.query('delete from article')
      else if (change.operationType === 'delete') {
        await tx.query('delete from article where id = $1', [String(change.documentKey._id)])
      } else if ('fullDocument' in change && change.fullDocument) await upsert(tx, change.fullDocument)
    }
  },
  async copy (tx, { collection, session }) {
    await tx.query('delete from article')
    for await (const document of collection.find({}, { session })) await upsert(tx, document)
  }
})

app.post<{ Body: { title: string } }>('/articles', async function addArticle (request, reply) {
  const { insertedId } = await articles.insertOne({ _id: new ObjectId(), title: request.body.title })
  return await reply.code(201).send({ id: insertedId })
})

app.get('/titles', async () => (await pool.query('select title from article order by title')).rows)

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))

// The same as to-postgresql.js with require. Node loads the ES module for it.
const Fastify = require('fastify')
const { MongoClient } = require('mongodb')
const pg = require('pg')
const { default: changeStream, changeStreamSql, postgresStore } = require('fastify-change-stream')

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const client = new MongoClient(process.env.MONGODB_URL)
const articles = client.db(process.env.MONGODB_DATABASE ?? 'articles').collection('article')
pool.on('error', (error) => app.log.warn(error))
app.addHook('onClose', () => Promise.all([pool.end(), client.close()]))
app.register(async () => {
  await client.connect()
  await pool.query(`create table if not exists article (id text primary key, title text); ${changeStreamSql('postgres')}`)
})
app.register(changeStream, { store: postgresStore(pool) })

const upsert = (tx, { _id, title }) => tx.query(
  'insert into article (id, title) values ($1, $2) on conflict (id) do update set title = excluded.title', [String(_id), title])

// Streams are named after the plugin: in a plugin of their own, as here, or in app.after().
app.register(async function follow (app) {
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
      for await (const document of collection.find({}, { session })) await upsert(tx, document)
    }
  })
})

app.post('/articles', async function addArticle (request, reply) {
  const { insertedId } = await articles.insertOne({ title: request.body.title })
  return reply.code(201).send({ id: insertedId })
})

app.get('/titles', async () => (await pool.query('select title from article order by title')).rows)

app.listen({ port: Number(process.env.PORT ?? 3000) }).then(console.log)

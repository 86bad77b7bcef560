// The smallest app with both databases: PostgreSQL counts the visits of a page, MongoDB keeps who came.
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import pg from 'pg'

/**
 * @param {{ postgres: string, mongodb: string }} urls of the databases
 */
export async function buildApp (urls) {
  const app = Fastify()
  const pool = new pg.Pool({ connectionString: urls.postgres })
  const client = new MongoClient(urls.mongodb)
  app.addHook('onClose', () => Promise.all([pool.end(), client.close()]))
  await pool.query('create table if not exists visit (page text primary key, count integer not null)')
  const visitors = client.db('example').collection('visitors')

  app.post('/visits/:page', async function visit (request) {
    const { page } = request.params
    await visitors.insertOne({ page, name: request.body.name })
    const { rows } = await pool.query(
      'insert into visit values ($1, 1) on conflict (page) do update set count = visit.count + 1 returning count',
      [page]
    )
    return { count: rows[0].count, names: await visitors.distinct('name', { page }) }
  })
  return app
}

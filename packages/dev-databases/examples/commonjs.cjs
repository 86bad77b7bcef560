// `node commonjs.cjs`: databases that keep their data in .data, with require and from an app of one file.
const { startEmbedded } = require('dev-databases')
const Fastify = require('fastify')
const pg = require('pg')

async function start () {
  const { postgres, stop } = await startEmbedded({ dataDir: '.data', postgres: true, mongodb: false, onProgress: console.error })
  const app = Fastify()
  const pool = new pg.Pool({ connectionString: postgres.url })
  app.addHook('onClose', () => pool.end())
  app.get('/version', async () => (await pool.query('show server_version')).rows[0])
  // The app first: it has connections to them.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close().then(stop))
  console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
}

start()

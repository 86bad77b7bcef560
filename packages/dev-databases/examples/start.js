// `node start.js`: the app on databases that start with it and keep their data in .data, as `npm start` of a project.
import { startEmbedded } from 'dev-databases'
import { buildApp } from './app.js'

const databases = await startEmbedded({ dataDir: '.data', postgres: true, mongodb: true, onProgress: console.error })
if (databases.mongodb.how === 'missing') throw new Error(databases.mongodb.reason.join('\n'))
const app = await buildApp({ postgres: databases.postgres.url, mongodb: databases.mongodb.url })
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    // The app first: it has connections to them.
    await app.close()
    await databases.stop()
  })
}

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))

// A process that claims the events of a topic and dies holding them: `tsx holder.ts <database url> <topic>`.
import Fastify from 'fastify'
import pg from 'pg'
import outbox, { postgresStore } from '../src/index.ts'

const [url, topic] = process.argv.slice(2)
const app = Fastify()
app.register(outbox, { store: postgresStore(new pg.Pool({ connectionString: url })) })
app.after(() => {
  app.outbox.on(String(topic), async function holdForEver (events) {
    process.stdout.write(`${events.map(({ key }) => key).join()}\n`)
    await new Promise(() => {})
  })
})
await app.ready()

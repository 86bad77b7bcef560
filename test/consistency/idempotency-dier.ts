// The compiled service in a process that dies between a handler's commit() and its reply: `tsx idempotency-dier.ts
// <folder of app.js>`. Settings come from the environment. Prints its origin.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { buildApp as BuildApp } from '../../app.ts'
import { storeOne } from './store-one.ts'

const { buildApp } = await import(pathToFileURL(path.join(String(process.argv[2]), 'app.js')).href) as {
  buildApp: typeof BuildApp
}
const app = await buildApp({
  logger: false,
  plugins: async (app) => {
    for (const store of ['sql', 'mongo'] as const) {
      app.post(`/${store}`, { config: { transaction: { store } } }, async (request) => {
        await storeOne(request)
        await request.transaction.commit()
        process.kill(process.pid, 'SIGKILL')
        await new Promise(() => {})
      })
    }
  }
})
process.stdout.write(await app.listen({ host: '127.0.0.1', port: 0 }))

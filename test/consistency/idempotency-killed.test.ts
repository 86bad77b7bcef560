// A process that is killed between a handler's commit() and its reply: a repeat elsewhere stores nothing again.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import t, { type Test } from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { readRun } from '../databases/run.ts'
import { createThingsAt } from '../fixture/tables.ts'
import { newFolder } from '../folder.ts'
import { build, databases } from '../helper.ts'
import { countStored, newKey, createSender, storeOne } from './idempotency-app.ts'

/** Posts under a key to a process that stores the work and is killed before it answers. */
async function storeAndDie (t: Test, url: string, key: string, settings: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, [
    '--import',
    'tsx',
    path.join(import.meta.dirname, 'idempotency-dier.ts'),
    readRun().built
  ], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'test', PROJECTIONS: 'false', ...settings }
  })
  t.teardown(() => {
    child.kill('SIGKILL')
  })
  const ended = once(child, 'close')
  const [origin] = await Promise.race([once(child.stdout, 'data'), ended]) as [Buffer]
  await t.rejects(
    fetch(`${String(origin)}${url}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: '{}'
    })
  )
  t.equal((await ended)[1], 'SIGKILL')
}

for (const [name, store] of [['PostgreSQL', 'sql'], ['SQLite', 'sql'], ['MongoDB', 'mongo']] as const) {
  t.test(`killed between commit() and the reply, ${name}`, async (t) => {
    const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
    const file = `file:${newFolder(t)}/tandem.db`
    if (name === 'SQLite') await migrate(file)
    await createThingsAt(name === 'SQLite' ? file : databaseUrl)
    const settings = {
      DATABASE_URL: name === 'SQLite' ? file : databaseUrl,
      MONGODB_URL: mongoUrl,
      MONGODB_DATABASE: mongoDatabase
    }
    const key = newKey()
    await storeAndDie(t, `/${store}`, key, settings)
    const app = await build(t, {
      settings: { ...settings, PROJECTIONS: false },
      plugins: async (app) => {
        app.post(`/${store}`, { config: { transaction: { store } } }, async (request) => {
          await storeOne(request)
          return { made: true }
        })
      }
    })
    const send = createSender(app)
    t.equal(await countStored(app, store), 1)
    for (let n = 0; n < 2; n++) {
      t.match(await send(`/${store}`, key), { status: 409, body: { type: '/docs/problems#answer-unknown' } })
    }
    t.equal(await countStored(app, store), 1, 'nothing was stored again')
    t.match(await send(`/${store}`, newKey()), { status: 200 })
    t.equal(await countStored(app, store), 2)
  })
}

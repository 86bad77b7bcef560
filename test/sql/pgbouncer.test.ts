// A real PgBouncer in transaction mode, where one is installed.
import t, { type Test } from 'tap'
import { explainBoot } from '../../plugins/errors/boot.ts'
import { migrate } from '../../drizzle/migrate.ts'
import { buildApp } from '../../app.ts'
import { copiedThings } from '../fixture/copies.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { findPgBouncer, readVersion, startPgBouncer } from '../servers/pgbouncer.ts'
import { newFolder } from '../folder.ts'
import { smallApp } from './small-app.ts'

/** Ends with the test. @returns the URL through it */
async function through (t: Test, databaseUrl: string): Promise<string> {
  const { url, stop } = await startPgBouncer(newFolder(t), databaseUrl)
  t.teardown(stop)
  return url
}

const binary = findPgBouncer()
const skip = binary === undefined ? 'PgBouncer is not installed' : false
if (binary !== undefined) t.comment(await readVersion(binary))

t.test('without pgbouncer=true the log says in one line what to do', { skip }, async (t) => {
  const { databaseUrl } = await databases(t)
  const url = await through(t, databaseUrl)
  const { app, log } = await smallApp(t, { DATABASE_URL: url })
  for (let n = 0; n < 3; n++) {
    const error: unknown = await app.pg.pool.query('select 1').then(() => undefined, (reason: unknown) => reason)
    t.match(error, { code: '08P01' })
    t.match(explainBoot(error, { DATABASE_URL: url })[0], /behind PgBouncer.*add pgbouncer=true/)
  }
  const lines = log.filter(({ msg }) => /add pgbouncer=true/.test(String(msg)))
  t.equal(lines.length, 1)
  t.match(lines[0], { level: 50, reason: /unsupported startup parameter/ })
})

t.test('with it everything that the service does works', { skip }, async (t) => {
  const own = await databases(t)
  const url = `${await through(t, own.databaseUrl)}?pgbouncer=true`
  await t.resolves(migrate(url), 'migrations')
  // PgBouncer keeps its sessions, so those of the app are not counted.
  const app = await buildApp({
    logger: false,
    plugins: copiedThings,
    settings: {
      NODE_ENV: 'test',
      PORT: 0,
      DATABASE_URL: url,
      MONGODB_URL: own.mongoUrl,
      MONGODB_DATABASE: own.mongoDatabase
    }
  })
  t.teardown(() => app.close())
  const add = (n: number) => app.inject({ method: 'POST', url: '/followed', payload: { name: `u${n}` } })
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => add(n)))
  t.ok(answers.every(({ statusCode }) => statusCode === 201), 'transactions, more than PgBouncer has sessions')
  const { id } = answers[0]?.json<{ id: number }>() ?? { id: 0 }
  for (let n = 0; n < 40; n++) t.equal((await app.inject(`/things/${id}`)).statusCode, 200)
  await until(
    'the projections follow',
    async () => (await app.inject('/copied-things')).json<unknown[]>().length === 40
  )
  if (app.bothStores !== undefined) {
    t.equal((await app.inject({ method: 'POST', url: '/both', payload: { name: 'B' } })).statusCode, 201, 'both stores')
  }
  t.match((await app.inject('/readyz')).json(), { status: 'ready' })
})

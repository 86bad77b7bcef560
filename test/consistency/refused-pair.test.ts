// What requests get while the two stores are no pair: found at the start, and found while the service runs.
import t, { type Test } from 'tap'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import type { App } from '../../app.ts'
import { DDL } from '../fixture/tables.ts'
import { addThings, thingRoutes } from '../fixture/things.ts'
import { newFolder } from '../folder.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { buildOn } from './past.ts'

interface FenceDocument {
  _id: string
  pair: string
}
const refusal = { statusCode: 503, headers: { 'retry-after': /\d+/ } }
const fences = (app: App) => mongoDatabase(app).collection<FenceDocument>('fence')
const condition = async (app: App) => (await app.inject('/readyz')).json<{ checks: { sql: string } }>().checks.sql

let serial = 0
const create = (app: App) => app.inject({ method: 'POST', url: '/things', payload: { name: `Ada ${++serial}` } })

// This file takes no statement from a request, so the table is made past the guard.
async function routesOfOther (app: App): Promise<void> {
  const session = await app.sqlite?.begin({ readOnly: false, isAborted: () => false, isUnguarded: true })
  for (const text of DDL.sqlite) await session?.query(text)
  await session?.end('commit')
  addThings(app)
}

async function settingsOf (t: Test, engine: 'PostgreSQL' | 'SQLite') {
  const { databaseUrl, mongoDatabase: MONGODB_DATABASE } = await databases(t)
  const own = engine === 'SQLite' ? `file:${newFolder(t)}/app.db` : databaseUrl
  return { DATABASE_URL: own, MONGODB_DATABASE, NODE_ENV: 'development' as const, SEED: false }
}

async function count (app: App): Promise<number> {
  const text = 'SELECT count(*) AS n FROM things'
  // Past the service's own guard, as nobody else does.
  if (app.sqlite !== undefined) {
    const session = await app.sqlite.begin({ readOnly: true, isAborted: () => false, isUnguarded: true })
    const { rows } = await session.query<{ n: number }>(text)
    await session.end('rollback')
    return Number(rows[0]?.n)
  }
  return Number((await app.pg.query<{ n: string }>(text)).rows[0]?.n)
}

for (const engine of ['PostgreSQL', 'SQLite'] as const) {
  t.test(`${engine}: MongoDB becomes another pair's while the service runs, and is put right`, async (t) => {
    const app = await buildOn(t, await settingsOf(t, engine), { plugins: thingRoutes })
    t.equal((await create(app)).statusCode, 201)
    await until('the stores have met', async () => await fences(app).findOne() !== null)
    const { pair = '' } = await fences(app).findOne() ?? {}
    const before = await count(app)
    await fences(app).updateOne({}, { $set: { pair: 'of somebody else' } })
    await until('it is noticed', () => app.projections.fence.condition === 'not one pair')
    t.match(await create(app), refusal)
    t.match(await app.inject({ method: 'PATCH', url: '/things/1', payload: { name: 'x' } }), refusal)
    t.match(await app.inject('/things?limit=1'), refusal, 'reads are refused too')
    t.match(await app.inject('/things/1'), refusal)
    t.equal(await condition(app), 'not one pair')
    t.equal((await app.inject('/livez')).statusCode, 200)
    await fences(app).updateOne({}, { $set: { pair } })
    await until('it serves again', async () => (await app.inject('/things?limit=1')).statusCode === 200)
    t.equal(await count(app), before, 'nothing was written')
    t.equal((await create(app)).statusCode, 201)
  })
}

for (const PROJECTIONS of [true, false]) {
  t.test(`SQLite is refused from the first request on, projections: ${PROJECTIONS}`, async (t) => {
    const settings = await settingsOf(t, 'SQLite')
    const first = await buildOn(t, settings, { plugins: thingRoutes })
    await create(first)
    await until('the stores have met', async () => await fences(first).findOne({ counter: { $gt: 1 } }) !== null)
    await first.close()
    const empty = { ...settings, DATABASE_URL: `file:${newFolder(t)}/other.db` }
    const app = await buildOn(t, { ...empty, PROJECTIONS }, { plugins: routesOfOther })
    t.match(await create(app), refusal)
    t.match(await app.inject({ method: 'POST', url: '/things', payload: {} }), {
      statusCode: 400
    })
    t.equal(await count(app), 0, 'nothing was written')
    t.ok(app.lines.some((line) => line.includes('npm run resync -- adopt')), 'one line names the command')
    await app.projections.adopt()
    t.equal((await create(app)).statusCode, 201, 'adopted, it takes writes')
  })
}

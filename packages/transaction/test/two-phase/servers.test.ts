import path from 'node:path'
import { startEmbedded } from 'dev-databases'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import t from 'tap'
import { newFolder } from '../../../../test/folder.ts'
import { comesTrue, onStep, prepareTables, setup, stored, type Pair } from './fixture.ts'

type Victim = 'postgres' | 'mongod'

void t.test('a server is killed at a step: the answer is the truth, and the stores never differ', async (t) => {
  const dataDir = path.join(newFolder(t), 'databases')
  const pids = { postgres: 0, mongod: 0 }
  const urls = { sqlUrl: '', mongoUrl: '' }
  const start = async () => {
    const { postgres, mongodb } = await startEmbedded({ dataDir, postgres: true, mongodb: true })
    if (postgres === undefined || mongodb === undefined || mongodb.how === 'missing') throw new Error('no databases')
    Object.assign(pids, { postgres: postgres.pid, mongod: mongodb.pid })
    Object.assign(urls, { sqlUrl: postgres.url, mongoUrl: mongodb.url })
  }
  await start()
  t.teardown(async () => {
    const { stop } = await startEmbedded({ dataDir, postgres: true, mongodb: true })
    await stop()
  })
  const sql = new pg.Pool({ connectionString: urls.sqlUrl, max: 3 })
  sql.on('error', () => {})
  const mongo = await new MongoClient(urls.mongoUrl, { w: 'majority' }).connect()
  t.teardown(() => Promise.all([sql.end(), mongo.close()]))
  const stores: Pair = { ...urls, sql, mongo, db: mongo.db('servers') }
  await prepareTables(stores)
  let plan: { victim: Victim; step: string } | undefined
  onStep(t, (step) => {
    if (plan === undefined || step !== plan.step) return
    process.kill(pids[plan.victim], 'SIGKILL')
    plan = undefined
  })
  const { send, isClean } = await setup(t, { pair: stores, pool: { max: 3 } })
  let id = 0
  for (const victim of ['postgres', 'mongod'] as const) {
    for (const step of ['recorded', 'prepared', 'decided', 'finished']) {
      id++
      t.ok(await comesTrue(async () => (await send('POST', `/both/${id}00`)).status === 200, 30_000), 'both are back')
      plan = { victim, step }
      const sent = send('POST', `/both/${id}`)
      await comesTrue(() => plan === undefined)
      await start()
      const { status, json: { code } } = await sent
      t.ok(await isClean(), `${victim} killed when ${step}: nothing is left`)
      const now = await stored(stores)
      t.same(now.sql, now.mongo)
      const isStored = now.sql.includes(id)
      if (status === 200) t.ok(isStored, `${status} is the truth`)
      else if (code !== 'TX_OUTCOME_UNKNOWN') t.notOk(isStored, `${status} ${String(code)} is the truth`)
      // Sessions may outlive a server that is killed by a moment.
      if (victim === 'postgres' && step !== 'recorded') t.equal(status, 200)
    }
  }
})

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import t, { type Test } from 'tap'
import { TYPESCRIPT_ARGS } from '../../../../scripts/typescript.ts'
import { makeGid } from '../../src/two-phase/gid.ts'
import { comesTrue, pair, setup, stored, twoPhase, type Pair, type Setup } from './fixture.ts'

/** Starts an app that stops itself at a step of a commit. */
function otherApp (t: Test, { sqlUrl, mongoUrl, db }: Pair, where: string, how: 'kill' | 'stop'): ChildProcess {
  const program = path.join(import.meta.dirname, 'killed-app.ts')
  const args = [...TYPESCRIPT_ARGS, program, sqlUrl, mongoUrl, db.databaseName, where, how]
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_OPTIONS: '' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(() => {
    child.kill('SIGKILL')
  })
  return child
}

async function countPrepared ({ sql }: Pair): Promise<number> {
  const { rows } = await sql.query('select gid from pg_prepared_xacts where database = current_database()')
  return rows.length
}

void t.test('what a process leaves that is killed at a step of its commit, another one ends', async (t) => {
  for (
    const [step, outcome] of [
      ['recorded', []],
      ['prepared', []],
      ['decided', [1]],
      ['finished', [1]]
    ] as const
  ) {
    await t.test(step, async (t) => {
      const stores = await pair(t)
      const other = otherApp(t, stores, step, 'kill')
      await once(other, 'exit')
      t.equal(await countPrepared(stores), step === 'prepared' || step === 'decided' ? 1 : 0)
      // Of an age at which its own process would have removed it.
      await stores.db.collection('two_phase_decisions').updateMany({ at: { $exists: true } }, {
        $set: { at: new Date(0) }
      })
      const { app, isClean, send } = await setup(t, { pair: stores })
      t.ok(await comesTrue(async () => await countPrepared(stores) === 0, 20_000), 'nothing stays prepared')
      t.same(await stored(stores), { sql: outcome, mongo: outcome })
      await app.twoPhase.look()
      t.ok(await isClean(), 'records go')
      if (step === 'prepared') t.equal((await send('POST', '/both/1')).status, 200, 'its documents are free')
    })
  }
})

void t.test('the transaction of a process that lives is left alone, however long it takes', async (t) => {
  const stores = await pair(t)
  const other = otherApp(t, stores, 'prepared', 'stop')
  const answered = once(other, 'message')
  t.ok(await comesTrue(async () => await countPrepared(stores) === 1, 20_000))
  const { app, isClean } = await setup(t, { pair: stores })
  t.ok(await comesTrue(() => app.twoPhase.inDoubt.some(({ doubt }) => doubt === 'undecided'), 20_000))
  t.equal(await countPrepared(stores), 1)
  other.kill('SIGCONT')
  t.same(await answered, [200, undefined])
  t.same(await stored(stores), { sql: [1], mongo: [1] })
  t.ok(await isClean())
})

void t.test('a transaction of another pair is shown and left alone, until somebody ends it', async (t) => {
  const stores = await pair(t)
  const gid = makeGid({ pair: 'other', session: '0'.repeat(32) })
  const prepare = async () => await stores.sql.query(`begin; insert into item values (5); prepare transaction '${gid}'`)
  await prepare()
  const { app } = await setup(t, { pair: stores, routes: (app) => app.post('/', twoPhase(), () => ({})) })
  const isShown = () => app.twoPhase.inDoubt.some((each) => each.gid === gid && each.doubt === 'another pair')
  t.ok(await comesTrue(isShown, 20_000))
  await app.twoPhase.look()
  t.equal(await countPrepared(stores), 1)
  await t.rejects(app.twoPhase.settle(gid, 'forget'), { message: /is prepared; end it by commit or rollback/ })
  await app.twoPhase.settle(gid, 'commit')
  t.same(await stored(stores), { sql: [5], mongo: [] })
  await app.twoPhase.look()
  t.same(app.twoPhase.inDoubt, [])
  await t.rejects(app.twoPhase.settle(gid, 'commit'), { message: /is not prepared/ })
  await t.rejects(app.twoPhase.settle('x', 'commit'), { message: /is not the name/ })
})

void t.test('beside an empty MongoDB nothing is ended and nothing begins', async (t) => {
  const stores = await pair(t)
  const other = otherApp(t, stores, 'decided', 'kill')
  await once(other, 'exit')
  const decisions = stores.db.collection<{ _id: string }>('two_phase_decisions')
  const all = await decisions.find().toArray()
  await decisions.drop()
  const { app, send, isClean }: Setup = await setup(t, { pair: stores })
  t.ok(await comesTrue(() => app.twoPhase.inDoubt.some(({ doubt }) => doubt === 'undecided'), 20_000))
  t.equal((await send('POST', '/both/2')).status, 503)
  t.equal(await decisions.countDocuments(), 0)
  await decisions.insertMany(all)
  t.ok(await comesTrue(async () => await countPrepared(stores) === 0, 20_000))
  t.same(await stored(stores), { sql: [1], mongo: [1] }, 'once the right one is back, it decides')
  t.ok(await isClean())
})

void t.test('a half that PostgreSQL has lost is shown, until somebody forgets it', async (t) => {
  const stores = await pair(t)
  const { app, send } = await setup(t, { pair: stores })
  t.equal((await send('POST', '/both/1')).status, 200)
  const gid = makeGid({ pair: 'any', session: '1'.repeat(32) })
  await stores.db.collection<{ _id: string; decision: string; at: Date }>('two_phase_decisions').insertOne({
    _id: gid,
    decision: 'commit',
    at: new Date(Date.now() - 60_000)
  })
  t.same(await app.twoPhase.look().then((all) => all.map((each) => [each.gid, each.doubt])), [[gid, 'lost half']])
  await t.rejects(app.twoPhase.settle(gid, 'commit'), { message: /is not prepared/ })
  await app.twoPhase.settle(gid, 'forget')
  t.same(await app.twoPhase.look(), [])
})

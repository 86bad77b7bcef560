import t, { type Test } from 'tap'
import { Decisions } from '../../src/two-phase/decisions.ts'
import { pair, setup, type Pair } from './fixture.ts'

const HOUR_MS = 3_600_000
const NAME = 'two_phase_decisions'

/** This process lives in another time until the test ends; the databases do not. */
function shiftClock (t: Test, milliseconds: number): void {
  const { Date: Real } = globalThis
  class Shifted extends Real {
    constructor (...values: [] | [number | string | Date]) {
      if (values.length === 0) super(Shifted.now())
      else super(...values)
    }

    static override now (): number {
      return Real.now() + milliseconds
    }
  }
  globalThis.Date = Shifted as DateConstructor
  t.teardown(() => {
    globalThis.Date = Real
  })
}

/** Whether decisions were written within a minute, by the clock of MongoDB. */
async function areOfNow ({ db }: Pair, decision: string, field: string): Promise<boolean> {
  const records = await db.collection(NAME).aggregate<{ age: number }>([
    { $match: { decision } },
    { $project: { age: { $subtract: ['$$NOW', `$${field}`] } } }
  ]).toArray()
  return records.length > 0 && records.every(({ age }) => age !== null && Math.abs(age) < 60_000)
}

for (const hours of [-24 * 365, -30, 5]) {
  void t.test(`records have the time of MongoDB where a process is ${hours} hours off`, async (t) => {
    const stores = await pair(t)
    const decisions = new Decisions(stores.db, NAME)
    shiftClock(t, hours * HOUR_MS)
    await stores.mongo.withSession((session) =>
      session.withTransaction((session) =>
        decisions.record('first', { session, signal: AbortSignal.timeout(60_000), readPreference: 'primary' })
      )
    )
    t.equal(await decisions.decide('first'), 'commit', 'a decision stays what it is')
    t.equal(await decisions.decide('second'), 'abort')
    t.equal(await decisions.decide('second'), 'abort')
    t.ok(await areOfNow(stores, 'commit', 'at'))
    const open = await decisions.findOpen(60_000, 10)
    t.same(open.map(({ _id }) => _id), ['second'], 'nobody takes a new commit for an old one')
    await decisions.remove(['first'])
    await decisions.settle(['second'])
    t.ok(await areOfNow(stores, 'abort', 'settled_at'), 'an abort stays for its day')
  })

  void t.test(`a half that was lost is found by a process that is ${hours} hours off`, async (t) => {
    const stores = await pair(t)
    const gid = `fastify-2p:any:${'1'.repeat(32)}:${'2'.repeat(16)}`
    await stores.db.collection<{ _id: string; decision: string; at: Date }>(NAME).insertOne({
      _id: gid,
      decision: 'commit',
      at: new Date(Date.now() - 60_000)
    })
    shiftClock(t, hours * HOUR_MS)
    const { app, send } = await setup(t, { pair: stores })
    t.equal((await send('POST', '/both/1')).status, 200)
    const [found, ...others] = await app.twoPhase.look()
    t.match(found, { gid, doubt: 'lost half' })
    t.ok(found !== undefined && found.age > 59_000 && found.age < HOUR_MS, 'its age is right')
    t.same(others, [])
    await app.twoPhase.settle(gid, 'forget')
  })
}

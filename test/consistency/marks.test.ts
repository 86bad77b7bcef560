// What is remembered of a repair of the copies: how far a comparison came, and which process is at it.
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { claimProgress, findProgress, withProgress, type Course } from '../../plugins/projections/copy-progress.ts'
import { endMend, takeMend } from '../../plugins/projections/fence/mend-lease.ts'
import { runSql } from '../fixture/tables.ts'
import { build, engines } from '../helper.ts'

const report = { missing: 1, different: 0, extra: 0 }

/** A comparison that is interrupted behind an id, or not. */
function compare (app: FastifyInstance, begun: Array<string | undefined>, isInterrupted: boolean) {
  return withProgress(app, 'things', async ({ from, reached }: Course) => {
    begun.push(from.after)
    await reached({ after: '7', compared: 7, report })
    if (isInterrupted) throw new Error('interrupted')
    return report
  }, 'position')
}

t.test('a comparison goes on where the one before it was interrupted', async (t) => {
  const app = await build(t)
  await app.projections.fence.settle()
  const begun: Array<string | undefined> = []
  await claimProgress(app, 'things', { purpose: 'resync' })
  await t.rejects(compare(app, begun, true), { message: 'interrupted' })
  t.match(await findProgress(app, 'things'), { after: '7', compared: 7, position: 'position' })
  await claimProgress(app, 'things', { purpose: 'resync' })
  t.strictSame(await compare(app, begun, false), report)
  t.strictSame(begun, [undefined, '7'], 'for the same purpose')
  t.equal(await findProgress(app, 'things'), undefined, 'nothing is left of one that came to its end')
  t.notOk(app.projections.copying.has('things'))
  await t.rejects(compare(app, begun, true))
  await claimProgress(app, 'things', { purpose: 'repair 2' })
  t.equal(await findProgress(app, 'things'), undefined, 'another purpose begins anew')
})

for (const [name, settings] of Object.entries(engines)) {
  t.test(`${name}: one process repairs, and a round that is asked for meanwhile is still wanted`, async (t) => {
    const app = await build(t, { settings: { PROJECTIONS: false, ...settings } })
    await app.projections.fence.settle()
    const tx = { query: async (text: string, values?: unknown[]) => ({ rows: await runSql(app, text, values) }) }
    const engine = name === 'SQLite' ? 'sqlite' : 'postgres'
    t.equal(await takeMend(tx, engine, 'one'), undefined, 'none is wanted')
    await runSql(app, 'UPDATE fence SET mend_wanted = mend_done + 1')
    const round = Number(await takeMend(tx, engine, 'one'))
    t.equal(Number(await takeMend(tx, engine, 'one')), round, 'it renews its right')
    t.equal(await takeMend(tx, engine, 'other'), undefined)
    await runSql(app, 'UPDATE fence SET mend_wanted = mend_wanted + 1')
    await endMend(tx, round)
    t.equal(Number(await takeMend(tx, engine, 'other')), round + 1)
    await endMend(tx, round + 1)
    t.equal(await takeMend(tx, engine, 'one'), undefined)
  })
}

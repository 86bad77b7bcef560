// `npm run in-doubt`: transactions in both stores that have not ended, and what to do about them.
import { TransactionUsageError } from 'fastify-transaction'
import type { App } from '../app.ts'
import { runCommand } from './command.ts'

const USAGE = [
  'npm run in-doubt                     ends what can be ended, and lists what is left',
  'npm run in-doubt -- commit <gid>     ends a prepared transaction of another pair of stores, as you know it was decided',
  'npm run in-doubt -- rollback <gid>   the same',
  'npm run in-doubt -- forget <gid>     removes the decision of a half that PostgreSQL has lost, once that is put right'
]
const VERBS = ['commit', 'rollback', 'forget'] as const

await runCommand(async (app: App, [verb, gid, ...others]) => {
  if (app.bothStores === undefined) {
    console.log('These stores have no transactions in both: see docs/two-phase.md.')
    return true
  }
  const { twoPhase } = app
  const how = VERBS.find((name) => name === verb)
  if (verb === undefined) {
    await list(twoPhase)
    return true
  }
  if (how === undefined || gid === undefined || others.length > 0) return false
  await settle(twoPhase, gid, how)
  return true
}, USAGE)

async function settle (twoPhase: App['twoPhase'], gid: string, how: typeof VERBS[number]): Promise<void> {
  try {
    await twoPhase.settle(gid, how)
    console.log(`${gid}: ${{ commit: 'committed', rollback: 'rolled back', forget: 'forgotten' }[how]}`)
  } catch (error) {
    if (!(error instanceof TransactionUsageError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

async function list (twoPhase: App['twoPhase']): Promise<void> {
  const left = await twoPhase.look()
  const { commit, abort } = twoPhase.settled
  if (commit + abort > 0) console.log(`ended: ${commit} committed, ${abort} rolled back`)
  if (left.length === 0) console.log('Nothing is in doubt.')
  for (const { gid, doubt, age } of left) console.log(`${gid} ${doubt}, for ${Math.round(age / 1000)} s`)
}

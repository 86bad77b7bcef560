// `npm run resync`: compares the copies that each store holds of the other's data, and repairs them. The service may go on running.
import type { App } from '../app.ts'
import { runCommand } from './command.ts'

const COPIES = ['users', 'posts'] as const
const USAGE = [
  'npm run resync               both copies',
  'npm run resync -- users      PostgreSQL → MongoDB',
  'npm run resync -- posts      MongoDB → PostgreSQL'
]

await runCommand(async ({ projections }: App, words) => {
  const names = words.length === 0 ? COPIES : COPIES.filter((name) => words.includes(name))
  if (names.length !== (words.length || COPIES.length)) return false
  for (const name of names) {
    const { missing = 0, different = 0, extra = 0 } = await projections.resync(name)
    const sum = missing + different + extra
    console.log(sum === 0 ? `${name}: equal` : `${name}: repaired ${missing} missing, ${different} different, ${extra} extra`)
  }
  return true
}, USAGE)

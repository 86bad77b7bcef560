// `npm run resync`: compares the copies that each store holds of the other's data, and repairs them. The service may go on running.
import type { App } from '../app.ts'
import { copies, type Copy, type CopyName } from '../plugins/projections/copies.ts'
import { runCommand } from './command.ts'

const names: string[] = Object.keys(copies)
const USAGE = [
  'npm run resync               every copy, after a restore too',
  ...Object.entries<Copy>(copies).map(([name, { direction }]) => `npm run resync -- ${name.padEnd(10)} ${direction}`),
  'npm run resync -- anew …     begins with the first id, also where an earlier run was interrupted',
  'npm run resync -- adopt      first makes one pair of two stores that belonged to none or to others, then as above'
]

await runCommand(async ({ projections }: App, given) => {
  const isAnew = given[0] === 'anew'
  const words = isAnew ? given.slice(1) : given
  const isAdoption = words.length === 1 && words[0] === 'adopt'
  const wanted = names.filter((name) => words.length === 0 || isAdoption || words.includes(name))
  if (!isAdoption && words.length > 0 && wanted.length !== words.length) return false
  projections.onProgress = sayProgress()
  if (isAdoption) await projections.adopt()
  for (const name of wanted) {
    const { missing = 0, different = 0, extra = 0 } = await projections.resync(name as CopyName, { isAnew })
    const sum = missing + different + extra
    console.log(
      sum === 0 ? `${name}: equal` : `${name}: repaired ${missing} missing, ${different} different, ${extra} extra`
    )
  }
  return true
}, USAGE)

/** On the error stream, so that what is piped on is the result alone. */
function sayProgress (): App['projections']['onProgress'] {
  let saidAt = performance.now()
  return (copy, compared) => {
    if (performance.now() - saidAt < 2000) return
    saidAt = performance.now()
    console.error(`${copy}: ${compared} compared`)
  }
}

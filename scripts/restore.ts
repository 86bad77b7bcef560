// `npm run restore -- <folder>`: brings both stores of a backup back. The service does not run meanwhile.
import { restoreBackup } from './pair/bring-back.ts'
import { readCommand, runPairCommand } from './pair/command.ts'

const USAGE =
  'npm run restore -- <folder> [--replace]: into empty databases, or in the place of what is there; stop the service first'

async function run (): Promise<void> {
  const { folder, flags, urls } = readCommand(process.argv.slice(2), ['--replace'], USAGE)
  const { fence_at } = await restoreBackup(urls, folder, { replace: flags.includes('--replace'), say: console.error })
  console.log(`Both stores are as of ${fence_at}. Start the service`)
}

await runPairCommand(run)

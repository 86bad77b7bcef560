// `npm run restore -- <folder>`: brings both stores of a backup back. The service does not run meanwhile.
import { explainBoot } from '../plugins/errors/boot.ts'
import { restoreBackup } from './pair/bring-back.ts'
import { readCommand } from './pair/command.ts'

const USAGE = [
  'npm run restore -- <folder>                into empty databases; stop the service first',
  'npm run restore -- <folder> --replace      what is in both databases is gone then'
]

async function run (): Promise<void> {
  const { folder, flags, urls } = readCommand(process.argv.slice(2), ['--replace'], USAGE)
  const { fence_at } = await restoreBackup(urls, folder, { replace: flags.includes('--replace'), say: console.error })
  console.log(`Both stores are as of ${fence_at}. Start the service`)
}

await run().catch((error: unknown) => {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exitCode = 1
})

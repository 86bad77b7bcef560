// `npm run backup -- <folder>`: both stores at one moment, while the service runs.
import { readCommand, runPairCommand } from './pair/command.ts'
import { takeBackup } from './pair/take.ts'

const USAGE = 'npm run backup -- <folder>: both stores at one moment, into a new folder; the service may go on running'

async function run (): Promise<void> {
  const { folder, urls } = readCommand(process.argv.slice(2), [], USAGE)
  const { pair, epoch, counter, fence_at } = await takeBackup(urls, folder, console.error)
  console.log(`${folder}: both stores as of ${fence_at}; pair ${pair}, epoch ${epoch}, count ${counter}`)
}

await runPairCommand(run)

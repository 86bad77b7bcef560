// `tsx scripts/with-databases.ts seed`: runs a command of this folder, with the databases that are missing started before and stopped after it.
import path from 'node:path'
import { explainBoot } from '../plugins/errors/boot.ts'
import { startMissing } from './missing-databases.ts'

const [node = '', , name = '', ...words] = process.argv
try {
  const { urls, stop } = await startMissing()
  const command = path.join(import.meta.dirname, `${name}.ts`)
  // The command finds its words and its settings where it always does.
  process.argv = [node, command, ...words]
  Object.assign(process.env, urls)
  try {
    await import(command)
  } finally {
    await stop()
  }
} catch (error) {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exitCode = 1
}

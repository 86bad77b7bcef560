// `npm start`: starts the databases that are missing, then the server in this process; they end with it.
import { explainBoot } from '../plugins/errors/boot.ts'
import { banner } from './banner.ts'
import { startMissing, type StartedDatabases } from './missing-databases.ts'

async function start (): Promise<void> {
  // Databases take as long to start as the modules of the service to be read.
  const [databases, { serve }] = await Promise.all([startMissing(), import('./serve.ts')])
  try {
    await serve({
      settings: databases.urls,
      onListening: (app) => {
        announce(app, databases)
      },
      afterClose: databases.stop
    })
  } catch (error) {
    await databases.stop()
    throw error
  }
}

function announce (app: Parameters<typeof banner>[0], databases: StartedDatabases): void {
  const { mongodb } = databases
  if (mongodb?.how === 'missing') app.log.warn({ reason: mongodb.reason }, 'no MongoDB: its routes answer 503')
  if (process.stdout.isTTY) console.log(banner(app, databases))
}

const [word] = process.argv.slice(2)
if (word === undefined) {
  start().catch((error: unknown) => {
    for (const line of explainBoot(error, process.env)) console.error(line)
    process.exit(1)
  })
} else {
  console.error(
    `npm start takes no options, and does not know ${word}: settings are environment variables, as in PORT=4000 npm start`
  )
  process.exitCode = 2
}

import { setFlagsFromString } from 'node:v8'
import closeWithGrace from 'close-with-grace'
import { buildApp, type App } from './app.ts'
import { maskSettings } from './plugins/config.ts'
import { explainBoot } from './plugins/errors/boot.ts'

// What follows the drain (pools, embedded databases) may take this much longer before the process is ended by force.
const FORCE_AFTER_MS = 10_000

async function start (): Promise<void> {
  const app = await buildApp({ onProgress: (line) => { process.stderr.write(`${line}\n`) } })
  const { config, log } = app
  closeWithGrace({ delay: config.SHUTDOWN_GRACE_MS + FORCE_AFTER_MS, logger: false, onTimeout, onSecondSignal }, async ({ signal, err }) => {
    if (err === undefined) log.info({ signal }, 'closing')
    else log.fatal({ err }, 'closing after an error that nothing handled')
    await app.close()
    log.info('closed')
  })
  // A person at a terminal gets the banner instead.
  log[process.stdout.isTTY ? 'debug' : 'info']({ settings: maskSettings(config) }, 'settings')
  const { mongodb } = app.embedded
  if (mongodb?.how === 'missing') log.warn({ reason: mongodb.reason }, 'no MongoDB: its routes answer 503')
  if (config.SEED) await addSamples(app)
  try {
    await app.listen({ host: config.HOST, port: config.PORT })
  } catch (error) {
    await app.close()
    throw error
  }
  if (process.stdout.isTTY) console.log((await import('./scripts/banner.ts')).banner(app))

  function onTimeout (): void { log.fatal('not closed in time; ended by force') }
  function onSecondSignal (signal: string): void { log.fatal({ signal }, 'second signal; ended by force') }
}

// Only development seeds, so only development needs the script.
async function addSamples (app: App): Promise<void> {
  try {
    const { seed } = await import('./scripts/seed.ts')
    app.log.info(await seed(app), 'sample data added')
  } catch (err) {
    app.log.warn({ err }, 'no sample data: a database is not available')
  }
}

// V8 would make objects of requests in the old generation, because some of that kind lived long during boot. There each keeps
// the objects it refers to alive until the next full collection: a write took a fifth more processor time.
setFlagsFromString('--no-allocation-site-pretenuring')

start().catch((error: unknown) => {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exit(1)
})

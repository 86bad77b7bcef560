import { setFlagsFromString } from 'node:v8'
import closeWithGrace from 'close-with-grace'
import { buildApp, type App } from '../app.ts'
import { maskSettings } from '../plugins/config.ts'
import type { Settings } from '../schemas/settings.ts'

/** How `serve` differs from production. */
export interface ServeOptions {
  /** Settings that win over the environment. */
  settings?: Partial<Settings>
  /** Called once the server listens. */
  onListening?: (app: App) => void
  /** Called when the server has closed, before the process ends. */
  afterClose?: () => Promise<void>
}

// What follows the drain (pools, databases started for this process) may take this much longer before the process is
// ended by force.
const FORCE_AFTER_MS = 10_000

// V8 would make objects of requests in the old generation, because some of that kind lived long during boot. There each
// keeps the objects it refers to alive until the next full collection: a write took a fifth more processor time.
setFlagsFromString('--no-allocation-site-pretenuring')

/**
 * Builds the app, listens, and closes in order on SIGTERM, SIGINT and errors that nothing handles.
 * @throws what `buildApp` or `listen` throws; nothing of the app is left open then
 */
export async function serve (
  { settings = {}, onListening, afterClose = async () => {} }: ServeOptions = {}
): Promise<void> {
  const app = await buildApp({ settings })
  const { config, log } = app
  closeWithGrace(
    {
      delay: config.SHUTDOWN_DELAY_MS + config.SHUTDOWN_GRACE_MS + FORCE_AFTER_MS,
      logger: false,
      onTimeout,
      onSecondSignal
    },
    async ({ signal, err }) => {
      if (err === undefined) log.info({ signal }, 'closing')
      else log.fatal({ err }, 'closing after an error that nothing handled')
      if (err === undefined) await app.announceClose()
      await app.close()
      await afterClose()
      log.info('closed')
    }
  )
  // A person at a terminal gets the banner instead.
  log[process.stdout.isTTY ? 'debug' : 'info']({ settings: maskSettings(config) }, 'settings')
  if (config.SEED) await addSamples(app)
  try {
    await app.listen({ host: config.HOST, port: config.PORT })
  } catch (error) {
    await app.close()
    throw error
  }
  onListening?.(app)

  function onTimeout (): void {
    log.fatal('not closed in time; ended by force')
  }
  function onSecondSignal (signal: string): void {
    log.fatal({ signal }, 'second signal; ended by force')
  }
}

// Only development seeds, so only development needs the script.
async function addSamples (app: App): Promise<void> {
  try {
    const { seed } = await import('./seed.ts')
    app.log.info(await seed(app), 'sample data added')
  } catch (err) {
    app.log.warn({ err }, 'no sample data: a database is not available')
  }
}

import type { App } from '../app.ts'
import { buildApp } from '../app.ts'
import { explainBoot } from '../plugins/errors/boot.ts'

/**
 * Runs a command on the service's databases, without serving and without carrying anything over meanwhile.
 * @param command gets the app and the words behind the command's name; resolves to false for words it does not know
 * @param usage lines that say which words there are
 */
export async function runCommand (
  command: (app: App, words: string[]) => Promise<boolean>,
  usage: string[]
): Promise<void> {
  let app: App | undefined
  delete process.env['ADMIN_PORT'] // the service that runs beside this listens there
  try {
    app = await buildApp({ logger: false, settings: { PROJECTIONS: false } })
    if (!await command(app, process.argv.slice(2))) {
      for (const line of usage) console.error(line)
      process.exitCode = 2
    }
  } catch (error) {
    for (const line of explainBoot(error, process.env)) console.error(line)
    process.exitCode = 1
  } finally {
    await app?.close()
  }
}

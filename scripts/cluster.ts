// `node dist/scripts/cluster.js [4]`: several processes of the service on one port, one for each core unless told
// otherwise. They share one budget of connections; one that dies is replaced; SIGTERM drains all of them.
import cluster, { type Worker } from 'node:cluster'
import { availableParallelism, hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readSettings } from '../plugins/config.ts'
import { explainBoot } from '../plugins/errors/boot.ts'
import type { Settings } from '../schemas/settings.ts'
import { failCommand } from './fail-command.ts'

const USAGE = 'node dist/scripts/cluster.js [<processes>]'
const AGAIN_MS = 1000
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** What belongs to a process by its place, so that its successor has it too. */
function toEnv (settings: Settings, place: number, count: number): Record<string, string> {
  const share = (whole: number, least: number) => String(Math.max(least, Math.floor(whole / count)))
  return {
    DATABASE_POOL_SIZE: share(settings.DATABASE_POOL_SIZE, 1),
    DATABASE_MAX_OVERFLOW: share(settings.DATABASE_MAX_OVERFLOW, 0),
    ANSWERS_IN_FLIGHT_MB: share(settings.ANSWERS_IN_FLIGHT_MB, 1),
    INSTANCE_NAME: `${settings.INSTANCE_NAME ?? `${hostname()}:${settings.PORT}`}/${place}`,
    ...(settings.ADMIN_PORT !== undefined && settings.ADMIN_PORT > 0 &&
      { ADMIN_PORT: String(settings.ADMIN_PORT + place) })
  }
}

/** Keeps the processes running until a signal ends them. */
class Processes {
  readonly #settings: Settings
  readonly #count: number
  readonly #places = new Map<number, Worker>()
  #isEnding = false
  #exitCode = 0

  constructor (settings: Settings, count: number) {
    this.#settings = settings
    this.#count = count
  }

  start (): void {
    for (let place = 0; place < this.#count; place++) this.#fork(place, true)
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        this.#isEnding = true
        // A terminal sends it to the whole group; twice would end them by force.
        if (signal === 'SIGTERM' || !process.stdin.isTTY) this.#send(signal)
      })
    }
  }

  #send (signal: NodeJS.Signals): void {
    for (const worker of this.#places.values()) worker.process.kill(signal)
  }

  #fork (place: number, isFirst: boolean): void {
    const worker = cluster.fork(toEnv(this.#settings, place, this.#count))
    this.#places.set(place, worker)
    let mustListen = isFirst
    worker.on('listening', () => {
      mustListen = false
    })
    worker.on('exit', (code, signal) => {
      this.#places.delete(place)
      if (this.#isEnding) return this.#endWith(code)
      if (!mustListen) return void this.#replace(place, signal ?? `exit code ${code}`)
      // What keeps one from starting, such as a setting, keeps all; it has said so.
      this.#isEnding = true
      this.#send('SIGTERM')
      this.#endWith(code)
    })
  }

  async #replace (place: number, reason: string): Promise<void> {
    console.error(`process ${place} of the service ended (${reason}); another one is started`)
    await sleep(AGAIN_MS)
    if (!this.#isEnding) this.#fork(place, false)
  }

  #endWith (code: number | null): void {
    this.#exitCode ||= code ?? 1
    if (this.#places.size === 0) process.exit(this.#exitCode)
  }
}

function main (): void {
  const count = process.argv[2] === undefined ? availableParallelism() : Number(process.argv[2])
  if (!Number.isSafeInteger(count) || count < 1 || process.argv.length > 3) {
    throw new RangeError('not a whole number from 1')
  }
  cluster.setupPrimary({ exec: path.join(import.meta.dirname, '..', 'server.js'), args: [] })
  new Processes(readSettings(process.env), count).start()
}

try {
  main()
} catch (error) {
  failCommand(error, USAGE, (thrown) => explainBoot(thrown, process.env).join('\n'))
}

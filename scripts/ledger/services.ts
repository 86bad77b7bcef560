import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TYPESCRIPT_ARGS, TYPESCRIPT_ENV } from '../typescript.ts'
import { freePorts } from '../../test/servers/ports.ts'

/** Where the stores are, by their URLs. */
export interface StoreUrls {
  postgres: string
  mongodb: string
}

/** What a run needs of the service: where its processes answer, and where its stores are. */
export interface Running extends StoreUrls {
  urls: string[]
}

/** Environment of all processes, and more of the last one. */
export interface ServiceSettings {
  env?: NodeJS.ProcessEnv
  lastEnv?: NodeJS.ProcessEnv
}

const ROOT = path.join(import.meta.dirname, '..', '..')
const PATIENCE_MS = 120_000
const STEP_PATIENCE_MS = 30_000
/** Steps of a commit of both stores, as fastify-transaction publishes them. */
const STEPS = ['recorded', 'prepared', 'decided', 'finished']
const PRELOAD = path.join(import.meta.dirname, 'preload.mjs')
const HOUR_MS = 3_600_000
/** Two that are so far apart, one ahead and one behind, are no day apart: a key of a repeated request lives for one. */
const HOURS_OFF = 11

/** Processes of the service on the same stores; each of them can be killed and started again. */
export class Services {
  readonly #dataDir: string
  readonly #ports: number[]
  #command: string[]
  readonly #stores: StoreUrls
  readonly #settings: ServiceSettings
  #all: ChildProcess[]

  private constructor (
    dataDir: string,
    ports: number[],
    command: string[],
    stores: StoreUrls,
    settings: ServiceSettings
  ) {
    this.#settings = settings
    this.#dataDir = dataDir
    this.#ports = ports
    this.#command = command
    this.#stores = stores
    this.#all = ports.map((port) => this.#spawn(port))
  }

  /**
   * Starts the processes; resolves when they are ready.
   * @param dataDir folder of their logs
   * @param server the compiled service; without one, server.ts is run
   * @param settings further settings
   */
  static async start (
    dataDir: string,
    instances: number,
    stores: StoreUrls,
    server?: string,
    settings: ServiceSettings = {}
  ): Promise<Services> {
    mkdirSync(dataDir, { recursive: true })
    const command = server === undefined ? [...TYPESCRIPT_ARGS, path.join(ROOT, 'server.ts')] : [server]
    const services = new Services(dataDir, await freePorts(instances), command, stores, settings)
    try {
      await services.untilReady()
    } catch (error) {
      await services.stop()
      throw error
    }
    return services
  }

  get urls (): string[] {
    return this.#ports.map((port) => `http://127.0.0.1:${port}`)
  }

  /** What the processes have logged so far. */
  get log (): string {
    return this.#ports.map((port) => readFileSync(this.#logOf(port), 'utf8')).join('')
  }

  /** SIGKILL to one of them, at random; the function starts it again. */
  async killOne (): Promise<() => Promise<void>> {
    const at = Math.floor(Math.random() * this.#all.length)
    await this.#kill(at)
    return async () => {
      this.#all[at] = this.#spawn(this.#ports[at] as number)
    }
  }

  /** Tells each how many milliseconds its clock is off. Default: hours, the first ahead, the next behind, and so on. */
  setClocks (off = (at: number) => (at % 2 === 0 ? 1 : -1) * Math.random() * HOURS_OFF * HOUR_MS): void {
    for (const [at, service] of this.#all.entries()) {
      if (service.connected) service.send({ clock: off(at) })
    }
  }

  /** One of them ends itself at a step of a commit of both stores; the function starts it again. */
  async killAtStep (at = Math.floor(Math.random() * this.#all.length)): Promise<() => Promise<void>> {
    const service = this.#all[at] as ChildProcess
    const step = STEPS[Math.floor(Math.random() * STEPS.length)] ?? ''
    service.send({ step, after: 1 + Math.floor(Math.random() * 5) })
    const timer = setTimeout(() => service.kill('SIGKILL'), STEP_PATIENCE_MS)
    await gone(service)
    clearTimeout(timer)
    return async () => {
      this.#all[at] = this.#spawn(this.#ports[at] as number)
    }
  }

  async #kill (at: number): Promise<void> {
    const service = this.#all[at] as ChildProcess
    service.kill('SIGKILL')
    await gone(service)
  }

  /** SIGKILL to all of them; the function starts them again. */
  async killAll (): Promise<() => Promise<void>> {
    for (const service of this.#all) service.kill('SIGKILL')
    await Promise.all(this.#all.map(gone))
    return async () => {
      this.#all = this.#ports.map((port) => this.#spawn(port))
      await this.untilReady()
    }
  }

  /** Has processes that are started from now on run another version. @param server the compiled service */
  use (server: string): void {
    this.#command = [server]
  }

  /** Waits until every one says that it is ready. */
  async untilReady (): Promise<void> {
    for (const [at, url] of this.urls.entries()) {
      const isReady = async () =>
        (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5000) }).catch(() => undefined))?.status === 200
      for (const end = Date.now() + PATIENCE_MS; !await isReady(); await sleep(50)) {
        const hasEnded = typeof this.#all[at]?.exitCode === 'number'
        if (hasEnded || Date.now() > end) throw new Error(`${url} did not become ready; see ${this.#dataDir}`)
      }
    }
  }

  /** SIGTERM to one of them, as a deploy does; started again when it has ended. @returns its exit code */
  async replace (at: number): Promise<number | null> {
    const service = this.#all[at] as ChildProcess
    service.kill('SIGTERM')
    await gone(service)
    this.#all[at] = this.#spawn(this.#ports[at] as number)
    await this.untilReady()
    return service.exitCode
  }

  /** Ends them in order. */
  async stop (): Promise<void> {
    for (const service of this.#all) service.kill('SIGTERM')
    await Promise.all(this.#all.map(gone))
  }

  #logOf (port: number): string {
    return path.join(this.#dataDir, `service-${port}.log`)
  }

  // Node itself, not the tsx command: that would be a parent which dies in its place.
  #spawn (port: number): ChildProcess {
    const env = {
      ...process.env,
      NODE_OPTIONS: '',
      ...TYPESCRIPT_ENV,
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      PORT: String(port),
      DATABASE_URL: this.#stores.postgres,
      MONGODB_URL: this.#stores.mongodb,
      MONGODB_DATABASE: 'ledger',
      ...this.#settings.env,
      ...(port === this.#ports.at(-1) ? this.#settings.lastEnv : {})
    }
    const service = spawn(process.execPath, ['--import', PRELOAD, ...this.#command], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc']
    })
    const log = createWriteStream(this.#logOf(port), { flags: 'a' })
    service.stdout?.pipe(log, { end: false })
    service.stderr?.pipe(log, { end: false })
    return service
  }
}

async function gone (service: ChildProcess): Promise<void> {
  if (service.exitCode === null && service.signalCode === null) await once(service, 'exit')
}

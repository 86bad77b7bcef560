import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded, stopEmbedded } from 'dev-databases'
import { migrate } from '../../drizzle/migrate.ts'
import { TYPESCRIPT_ARGS } from '../typescript.ts'

/** What a round may kill. `step`: a process of the service, at a step of a commit of both stores. */
export type Victim = 'service' | 'postgres' | 'mongod' | 'step'

const ROOT = path.join(import.meta.dirname, '..', '..')
const PATIENCE_MS = 120_000
const STEP_PATIENCE_MS = 30_000
const STEPS = ['recorded', 'prepared', 'decided', 'finished']
const DIE_AT_STEP = path.join(import.meta.dirname, 'die-at-step.mjs')

/**
 * Both databases in a folder of their own, and processes of the service on them; each of them can be killed and started
 * again.
 */
export class Processes {
  readonly #dataDir: string
  readonly #ports: number[]
  readonly #command: string[]
  #services: ChildProcess[] = []
  #postgres = { url: '', pid: 0 }
  #mongodb = { url: '', pid: 0 }

  private constructor (dataDir: string, ports: number[], command: string[]) {
    this.#dataDir = dataDir
    this.#ports = ports
    this.#command = command
  }

  /** Starts everything; resolves when the services answer. Without a compiled server, server.ts is run. */
  static async start (dataDir: string, instances: number, server?: string): Promise<Processes> {
    mkdirSync(dataDir, { recursive: true })
    const processes = new Processes(
      dataDir,
      await freePorts(instances),
      server === undefined ? [...TYPESCRIPT_ARGS, path.join(ROOT, 'server.ts')] : [server]
    )
    await processes.startDatabases()
    await migrate(processes.postgres)
    processes.#services = processes.#ports.map((port) => processes.#spawn(port))
    await processes.untilReady()
    return processes
  }

  get postgres (): string {
    return this.#postgres.url
  }
  get mongodb (): string {
    return this.#mongodb.url
  }
  get urls (): string[] {
    return this.#ports.map((port) => `http://127.0.0.1:${port}`)
  }

  /** Starts the databases, or those of them that were killed. */
  async startDatabases (): Promise<void> {
    const { postgres, mongodb } = await startEmbedded({
      dataDir: path.join(this.#dataDir, 'databases'),
      postgres: true,
      mongodb: true
    })
    if (postgres === undefined || mongodb === undefined || mongodb.how === 'missing') {
      throw new Error('The ledger needs both databases: see npm start')
    }
    const moved = (old: string, now: string) => old !== '' && old !== now
    if (moved(this.#postgres.url, postgres.url) || moved(this.#mongodb.url, mongodb.url)) {
      throw new Error('A database had to move to another port: run the ledger again')
    }
    this.#postgres = postgres
    this.#mongodb = mongodb
  }

  /** SIGKILL, now. */
  async kill (victim: Victim): Promise<() => Promise<void>> {
    if (victim === 'postgres' || victim === 'mongod') {
      process.kill(victim === 'postgres' ? this.#postgres.pid : this.#mongodb.pid, 'SIGKILL')
      return () => this.startDatabases()
    }
    const at = Math.floor(Math.random() * this.#services.length)
    const service = this.#services[at] as ChildProcess
    service.kill('SIGKILL')
    await gone(service)
    if (victim === 'step') await this.#dieAtStep(at)
    return async () => {
      this.#services[at] = this.#spawn(this.#ports[at] as number)
    }
  }

  /** Runs a process of the service that ends itself at a step, and waits for that. */
  async #dieAtStep (at: number): Promise<void> {
    const step = STEPS[Math.floor(Math.random() * STEPS.length)] ?? ''
    const env = { LEDGER_DIE_AT: step, LEDGER_DIE_AFTER: String(1 + Math.floor(Math.random() * 5)) }
    const service = this.#spawn(this.#ports[at] as number, { env, args: ['--import', DIE_AT_STEP] })
    this.#services[at] = service
    const timer = setTimeout(() => service.kill('SIGKILL'), STEP_PATIENCE_MS)
    await gone(service)
    clearTimeout(timer)
  }

  /** SIGKILL to every process of the service; the function starts them again. */
  async killServices (): Promise<() => Promise<void>> {
    for (const service of this.#services) service.kill('SIGKILL')
    await Promise.all(this.#services.map(gone))
    return async () => {
      this.#services = this.#ports.map((port) => this.#spawn(port))
      await this.untilReady()
    }
  }

  /** Waits until every service says that it is ready. */
  async untilReady (): Promise<void> {
    for (const url of this.urls) {
      const isReady = async () =>
        (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5000) }).catch(() => undefined))?.status === 200
      for (const end = Date.now() + PATIENCE_MS; !await isReady(); await sleep(50)) {
        if (Date.now() > end) throw new Error(`${url} did not become ready; see ${this.#dataDir}`)
      }
    }
  }

  /** Ends services and databases. */
  async stop (): Promise<void> {
    for (const service of this.#services) service.kill('SIGTERM')
    await Promise.all(this.#services.map((service) => gone(service)))
    await stopEmbedded({ dataDir: path.join(this.#dataDir, 'databases') })
  }

  // Node itself, not the tsx command: that would be a parent which dies in its place.
  #spawn (port: number, own: { env?: NodeJS.ProcessEnv; args?: string[] } = {}): ChildProcess {
    const env = {
      ...process.env,
      NODE_OPTIONS: '',
      FASTIFY_AUTOLOAD_TYPESCRIPT: '1',
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      PORT: String(port),
      DATABASE_URL: this.postgres,
      MONGODB_URL: this.mongodb,
      MONGODB_DATABASE: 'ledger',
      ...own.env
    }
    const service = spawn(process.execPath, [...own.args ?? [], ...this.#command], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const log = createWriteStream(path.join(this.#dataDir, `service-${port}.log`), { flags: 'a' })
    service.stdout.pipe(log, { end: false })
    service.stderr.pipe(log, { end: false })
    return service
  }
}

async function gone (service: ChildProcess): Promise<void> {
  if (service.exitCode === null && service.signalCode === null) await once(service, 'exit')
}

// All are held until each is known, so that no two are the same.
async function freePorts (count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

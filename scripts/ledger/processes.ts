import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { startEmbedded, stopEmbedded } from 'dev-databases'
import { migrate } from '../../drizzle/migrate.ts'
import { Services, type Running } from './services.ts'

/** What a round may kill. `step`: a process of the service, at a step of a commit of both stores. */
export type Victim = 'service' | 'postgres' | 'mongod' | 'step'

/**
 * Both databases in a folder of their own, and processes of the service on them; each of them can be killed and started
 * again.
 */
export class Processes implements Running {
  readonly #dataDir: string
  #services: Services | undefined
  #postgres = { url: '', pid: 0 }
  #mongodb = { url: '', pid: 0 }

  private constructor (dataDir: string) {
    this.#dataDir = dataDir
  }

  /** Starts everything; resolves when the services answer. Without a compiled server, server.ts is run. */
  static async start (dataDir: string, instances: number, server?: string): Promise<Processes> {
    mkdirSync(dataDir, { recursive: true })
    const processes = new Processes(dataDir)
    try {
      await processes.startDatabases()
      await migrate(processes.postgres)
      processes.#services = await Services.start(dataDir, instances, processes, server)
    } catch (error) {
      await processes.stop()
      throw error
    }
    return processes
  }

  get postgres (): string {
    return this.#postgres.url
  }
  get mongodb (): string {
    return this.#mongodb.url
  }
  get urls (): string[] {
    return this.#running.urls
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

  /** SIGKILL, now; the function starts the victim again. */
  async kill (victim: Victim): Promise<() => Promise<void>> {
    if (victim === 'service') return await this.#running.killOne()
    if (victim === 'step') return await this.#running.killAtStep()
    process.kill(victim === 'postgres' ? this.#postgres.pid : this.#mongodb.pid, 'SIGKILL')
    return () => this.startDatabases()
  }

  /** SIGKILL to every process of the service; the function starts them again. */
  async killServices (): Promise<() => Promise<void>> {
    return await this.#running.killAll()
  }

  /** Waits until every service says that it is ready. */
  async untilReady (): Promise<void> {
    await this.#running.untilReady()
  }

  /** Ends services and databases. */
  async stop (): Promise<void> {
    await this.#services?.stop()
    await stopEmbedded({ dataDir: path.join(this.#dataDir, 'databases') })
  }

  get #running (): Services {
    if (this.#services === undefined) throw new Error('The services were not started')
    return this.#services
  }
}

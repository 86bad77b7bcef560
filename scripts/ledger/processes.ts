import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded, stopEmbedded } from 'dev-databases'
import { migrate } from '../../drizzle/migrate.ts'
import { FullDisk, makeRole, ROLE } from './postgres-faults.ts'
import { Services, type Running } from './services.ts'

/**
 * What happens in a round: SIGKILL to a process of the service, to PostgreSQL or to mongod; `step`, a process ends itself
 * at a step of a commit of both stores, and `role` likewise, one whose transactions set a role; `clock`, each process
 * lives hours ahead or behind while one is killed; `disk`, PostgreSQL has no room left.
 */
export type Victim = 'service' | 'postgres' | 'mongod' | 'step' | 'role' | 'clock' | 'disk'

export interface ProcessesOptions {
  /** Folder for databases and logs. */
  dataDir: string
  instances: number
  /** The compiled service, to run instead of server.ts. */
  server?: string | undefined
  /** What will happen to them. Default: nothing that has to be prepared. */
  victims?: readonly Victim[]
}

const CLOCK_MS = 300

/**
 * Both databases in folders of their own, and processes of the service on them; each of them can be killed and started
 * again.
 */
export class Processes implements Running {
  readonly #dataDir: string
  #services: Services | undefined
  #postgres = { url: '', adminUrl: '', pid: 0 }
  #mongodb = { url: '', pid: 0 }
  #disk: FullDisk | undefined

  private constructor (dataDir: string) {
    this.#dataDir = dataDir
  }

  /** Starts everything; resolves when the services answer. */
  static async start ({ dataDir, instances, server, victims = [] }: ProcessesOptions): Promise<Processes> {
    mkdirSync(dataDir, { recursive: true })
    const processes = new Processes(dataDir)
    try {
      await Promise.all([processes.#startPostgres(), processes.#startMongodb()])
      if (victims.includes('disk')) await processes.#moveToDisk()
      await migrate(processes.postgres)
      const hasRole = victims.includes('role')
      if (hasRole) await makeRole(processes.#postgres)
      const own = hasRole ? { lastEnv: { LEDGER_ROLE: ROLE } } : {}
      processes.#services = await Services.start(dataDir, instances, processes, server, own)
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

  /** Does it now; the function starts again, or makes good, what was hit. */
  async kill (victim: Victim): Promise<() => Promise<void>> {
    const services = this.#running
    services.setClocks(() => 0)
    if (victim === 'service') return await services.killOne()
    if (victim === 'step') return await services.killAtStep()
    if (victim === 'role') return await services.killAtStep(services.urls.length - 1)
    if (victim === 'clock') return await this.#killInOtherTime()
    if (victim === 'mongod') {
      process.kill(this.#mongodb.pid, 'SIGKILL')
      return () => this.#startMongodb()
    }
    if (victim === 'postgres') process.kill(this.#postgres.pid, 'SIGKILL')
    else await this.#disk?.fill(this.#postgres.adminUrl)
    return async () => {
      if (victim === 'disk') this.#disk?.free()
      await this.#startPostgres()
    }
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
    await Promise.all(['sql', 'mongo'].map((name) => stopEmbedded({ dataDir: path.join(this.#dataDir, name) })))
    this.#disk?.remove()
  }

  /** Those that live stay in another time until the next round, so they also end there what the dead one has left. */
  async #killInOtherTime (): Promise<() => Promise<void>> {
    this.#running.setClocks()
    await sleep(Math.random() * CLOCK_MS)
    return await this.#running.killOne()
  }

  async #startPostgres (): Promise<void> {
    const { postgres } = await startEmbedded({
      dataDir: path.join(this.#dataDir, 'sql'),
      postgres: true,
      mongodb: false
    })
    if (postgres === undefined) throw new Error('The ledger needs both databases: see npm start')
    this.#postgres = stay(this.#postgres, postgres)
  }

  async #startMongodb (): Promise<void> {
    const { mongodb } = await startEmbedded({
      dataDir: path.join(this.#dataDir, 'mongo'),
      postgres: false,
      mongodb: true
    })
    if (mongodb === undefined || mongodb.how === 'missing') {
      throw new Error('The ledger needs both databases: see npm start')
    }
    this.#mongodb = stay(this.#mongodb, mongodb)
  }

  async #moveToDisk (): Promise<void> {
    const dataDir = path.join(this.#dataDir, 'sql')
    await stopEmbedded({ dataDir })
    this.#disk = FullDisk.under(dataDir)
    await this.#startPostgres()
  }

  get #running (): Services {
    if (this.#services === undefined) throw new Error('The services were not started')
    return this.#services
  }
}

function stay<Server extends { url: string }> (old: { url: string }, server: Server): Server {
  if (old.url === '' || old.url === server.url) return server
  throw new Error('A database had to move to another port: run the ledger again')
}

import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded, stopEmbedded } from 'dev-databases'
import pg from 'pg'
import { migrate } from '../../drizzle/migrate.ts'
import { Proxy } from '../proxy.ts'
import { copyCluster } from './copy-cluster.ts'

interface Server {
  url: string
  pid: number
}

const NAME = 'standby'
const PATIENCE_MS = 60_000

/** A PostgreSQL and a standby that follows it, and a proxy that leads to the one of them that is in charge. */
export class PostgresPair {
  readonly #folders: Record<'primary' | 'standby', string>
  #primary: Server = { url: '', pid: 0 }
  #standby: Server = { url: '', pid: 0 }
  /** URLs in the order in which they began. */
  #hosts: string[] = []
  #front: Proxy | undefined
  /** Replication passes here, so that it can be cut while both servers live. */
  #replication: Proxy | undefined

  private constructor (dataDir: string) {
    this.#folders = { primary: path.join(dataDir, 'primary'), standby: path.join(dataDir, NAME) }
  }

  /**
   * Starts both, with the tables.
   * @param isSynchronous true: a COMMIT waits for the standby
   */
  static async start (dataDir: string, isSynchronous: boolean): Promise<PostgresPair> {
    const pair = new PostgresPair(dataDir)
    try {
      await pair.#start(isSynchronous)
    } catch (error) {
      await pair.stop()
      throw error
    }
    return pair
  }

  /** Through the proxy. */
  get url (): string {
    if (this.#front === undefined) throw new Error('The servers were not started')
    return this.#front.through(this.#primary.url)
  }

  /** Where each server listens, for users who may do everything. After a promotion both are the same. */
  get servers (): Record<'primary' | 'standby', string> {
    return { primary: this.#primary.url, standby: this.#standby.url }
  }

  /** Both as hosts of one URL, the first primary first. @param options such as `target_session_attrs=read-write` */
  bothHosts (options: string): string {
    const url = new URL(this.#hosts[0] ?? '')
    const hosts = this.#hosts.map((host) => new URL(host).host).join()
    return `postgres://${url.username}:${url.password}@${hosts}${url.pathname}?${options}`
  }

  /** SIGSTOP to the primary and its sessions: it takes connections and answers nothing. @returns lets it go on */
  freeze (): () => void {
    const { pid } = this.#primary
    signalAll(pid, 'SIGSTOP')
    let isFrozen = true
    return () => {
      if (isFrozen) signalAll(pid, 'SIGCONT')
      isFrozen = false
    }
  }

  /** Nothing passes from primary to standby any more: a COMMIT that waits for the standby waits. @returns lets it pass */
  holdReplication (): () => void {
    this.#replication?.pause()
    return () => {
      this.#replication?.resume()
    }
  }

  /** Makes the standby a primary; what was the primary may still live. */
  async promote (): Promise<void> {
    await ask(this.#standby.url, 'SELECT pg_promote(true, 60)')
    this.#primary = this.#standby
  }

  /** Waits until the standby has all that was committed, then cuts it off: what follows is on the primary alone. */
  async cutStandby (): Promise<void> {
    await this.#untilFollowed()
    this.#replication?.refuse()
  }

  /** SIGKILL to the primary; the standby is promoted, and the proxy leads to it. */
  async failOver (): Promise<void> {
    process.kill(this.#primary.pid, 'SIGKILL')
    this.#front?.refuse()
    await this.promote()
    this.#front?.switchTo(this.#standby.url)
    this.#front?.accept()
  }

  async stop (): Promise<void> {
    await Promise.all([this.#front?.close(), this.#replication?.close()])
    for (const dataDir of Object.values(this.#folders)) await stopEmbedded({ dataDir })
  }

  async #start (isSynchronous: boolean): Promise<void> {
    const { primary, standby } = this.#folders
    for (const folder of [primary, standby]) mkdirSync(folder, { recursive: true })
    const { url } = await run(primary, [])
    await migrate(url)
    await stopEmbedded({ dataDir: primary })
    copyCluster(primary, standby)
    this.#primary = await run(primary, isSynchronous ? [`synchronous_standby_names=${NAME}`] : [])
    this.#replication = await Proxy.start(this.#primary.url)
    const { username, password } = new URL(this.#primary.url)
    const source =
      `host=127.0.0.1 port=${this.#replication.port} user=${username} password=${password} application_name=${NAME}`
    this.#standby = await run(standby, [`primary_conninfo=${source}`])
    this.#hosts = [this.#primary.url, this.#standby.url]
    this.#front = await Proxy.start(this.#primary.url)
    await this.#untilFollowed()
  }

  async #untilFollowed (): Promise<void> {
    const [{ wal } = { wal: '' }] = await ask<{ wal: string }>(
      this.#primary.url,
      'SELECT pg_current_wal_lsn()::text AS wal'
    )
    const hasAll = async () => {
      const rows = await ask(
        this.#primary.url,
        `SELECT 1 FROM pg_stat_replication WHERE application_name = '${NAME}' AND state = 'streaming' AND replay_lsn >= '${wal}'`
      )
      return rows.length === 1
    }
    for (const end = Date.now() + PATIENCE_MS; !await hasAll(); await sleep(50)) {
      if (Date.now() > end) throw new Error('The standby does not follow the primary')
    }
  }
}

/** Sends a signal to a server and its sessions; nothing happens where it has ended. */
export function signalAll (pid: number, signal: NodeJS.Signals): void {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
    for (const one of [pid, ...children.map(Number)]) process.kill(one, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'ENOENT'))) throw error
  }
}

async function run (dataDir: string, flags: string[]): Promise<Server> {
  // Only processes are killed here, never the machine.
  const { postgres } = await startEmbedded({
    dataDir,
    postgres: true,
    mongodb: false,
    postgresFlags: ['fsync=off', ...flags]
  })
  if (postgres === undefined) throw new Error('No PostgreSQL could be started')
  return { url: postgres.adminUrl, pid: postgres.pid }
}

async function ask<Row extends pg.QueryResultRow> (url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'ledger' })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

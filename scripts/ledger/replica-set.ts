import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findMongod } from 'dev-databases'
import { MongoClient, MongoServerError } from 'mongodb'
import { until } from '../../test/until.ts'
import { freePorts } from '../../test/servers/ports.ts'

const NAME = 'ledger'
const PATIENCE_MS = 60_000
const NODE_NOT_FOUND = 74
const FLAGS = [
  ['--bind_ip', '127.0.0.1', '--replSet', NAME, '--quiet', '--oplogSize', '64', '--wiredTigerCacheSizeGB', '0.25'],
  ['--setParameter', 'diagnosticDataCollectionEnabled=false', '--setParameter', 'transactionLifetimeLimitSeconds=10']
].flat()

/** A MongoDB of several members on this machine; the one that leads can be killed. */
export class ReplicaSet {
  readonly #ports: number[]
  readonly #members: ChildProcess[]

  private constructor (ports: number[], members: ChildProcess[]) {
    this.#ports = ports
    this.#members = members
  }

  /** Starts the members; resolves when one of them leads. */
  static async start (dataDir: string, members: number): Promise<ReplicaSet> {
    const mongod = await findMongod(dataDir, () => {})
    if ('reason' in mongod) throw new Error(mongod.reason.join('; '))
    const ports = await freePorts(members)
    const processes = ports.map((port) => {
      const folder = path.join(dataDir, `mongod-${port}`)
      mkdirSync(folder, { recursive: true })
      return spawn(mongod.binary, ['--dbpath', folder, '--port', String(port), ...FLAGS], { stdio: 'ignore' })
    })
    const set = new ReplicaSet(ports, processes)
    try {
      await set.#initiate()
    } catch (error) {
      await set.stop()
      throw error
    }
    return set
  }

  get url (): string {
    return `mongodb://${this.#ports.map((port) => `127.0.0.1:${port}`).join()}/?replicaSet=${NAME}`
  }

  /** SIGKILL to the member that leads; resolves when another one does. */
  async killPrimary (): Promise<void> {
    const port = await this.#findPrimary()
    this.#members[this.#ports.indexOf(port)]?.kill('SIGKILL')
    while (await this.#findPrimary() === port) await sleep(100)
  }

  /** SIGSTOP to the member that leads; resolves when another one does. @returns lets it go on */
  async freezePrimary (): Promise<() => void> {
    const port = await this.#findPrimary()
    const member = this.#members[this.#ports.indexOf(port)]
    member?.kill('SIGSTOP')
    const witness = this.#ports.find((other) => other !== port)
    while ([undefined, port].includes(await this.#askForPrimary(witness))) await sleep(100)
    return () => {
      member?.kill('SIGCONT')
    }
  }

  async stop (): Promise<void> {
    await Promise.all(this.#members.map(async (member) => {
      if (member.exitCode !== null || member.signalCode !== null) return
      member.kill('SIGKILL')
      await once(member, 'exit')
    }))
  }

  async #initiate (): Promise<void> {
    const [first] = this.#ports
    const members = this.#ports.map((port, _id) => ({ _id, host: `127.0.0.1:${port}` }))
    const client = new MongoClient(`mongodb://127.0.0.1:${first}/?directConnection=true`)
    try {
      await client.connect()
      const replSetInitiate = { _id: NAME, members, settings: { electionTimeoutMillis: 1000 } }
      await until(
        'every member answers',
        () =>
          client.db('admin').command({ replSetInitiate }).then(() => true, (error: unknown) => {
            if (error instanceof MongoServerError && error.code === NODE_NOT_FOUND) return false
            throw error
          }),
        PATIENCE_MS
      )
    } finally {
      await client.close()
    }
    await this.#findPrimary()
  }

  /** Whom a member takes for the one that leads; the driver itself would wait for a frozen one. */
  async #askForPrimary (member: number | undefined): Promise<number | undefined> {
    const client = new MongoClient(`mongodb://127.0.0.1:${member}/?directConnection=true`)
    try {
      const { primary } = await client.db('admin').command({ hello: 1 })
      return primary === undefined ? undefined : Number(String(primary).split(':').at(-1))
    } finally {
      await client.close()
    }
  }

  async #findPrimary (): Promise<number> {
    const client = new MongoClient(this.url, { serverSelectionTimeoutMS: PATIENCE_MS })
    try {
      const { primary } = await client.db('admin').command({ hello: 1 }, { readPreference: 'primary' })
      return Number(new URL(`mongodb://${String(primary)}`).port)
    } finally {
      await client.close()
    }
  }
}

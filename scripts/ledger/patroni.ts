import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { migrate } from '../../drizzle/migrate.ts'
import { until } from '../../test/until.ts'
import { startPrimaryFront } from './haproxy.ts'
import { freePorts } from '../../test/servers/ports.ts'
import { PASSWORD, toConfiguration, toUrl, type Place } from './patroni-setup.ts'
import { signalAll } from '../../test/servers/postgres-pair.ts'
import { findProgram, runProgram, startProgram, type Program } from '../../test/servers/program.ts'

const PATIENCE_MS = 60_000

interface Node extends Place {
  program: Program | undefined
}

/** Two PostgreSQL that Patroni leads, one a synchronous standby; one etcd, which is never hurt; HAProxy before both. */
export class Patroni {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'tandem-patroni-'))
  readonly #owner = findOwner()
  readonly #ends: Array<() => Promise<void>> = []
  #nodes: Node[] = []
  #front = ''

  private constructor () {}

  /** Starts everything, with the tables; resolves when a COMMIT waits for the standby. */
  static async start (): Promise<Patroni> {
    const patroni = new Patroni()
    try {
      await patroni.#start()
    } catch (error) {
      await patroni.stop()
      throw error
    }
    return patroni
  }

  /** Through HAProxy, which asks Patroni for the primary. */
  get url (): string {
    return this.#front
  }

  /** Both as hosts of one URL. @param options such as `target_session_attrs=read-write` */
  bothHosts (options: string): string {
    return `postgres://postgres:${PASSWORD}@${
      this.#nodes.map(({ port }) => `127.0.0.1:${port}`).join()
    }/postgres?${options}`
  }

  /** The one that leads, past HAProxy. */
  async findPrimary (): Promise<string> {
    return toUrl((await this.#findLeader()).port)
  }

  /** Patroni makes the standby the primary, in order. */
  async switchOver (): Promise<void> {
    const leader = await this.#findLeader()
    const response = await fetch(`${leader.api}/switchover`, {
      method: 'POST',
      body: JSON.stringify({ leader: leader.name })
    })
    if (!response.ok) throw new Error(`Patroni does not switch over: ${await response.text()}`)
    await this.#untilOtherLeads(leader)
  }

  /** SIGKILL to the primary and its Patroni; resolves when the other one leads. */
  async killPrimary (): Promise<void> {
    const leader = await this.#findLeader()
    await leader.program?.stop()
    signalAll(getPostmaster(leader), 'SIGKILL')
    await this.#untilOtherLeads(leader)
  }

  /** SIGSTOP to the primary and its Patroni; resolves when the other one leads. @returns lets them go on */
  async freezePrimary (): Promise<() => void> {
    const leader = await this.#findLeader()
    const pid = getPostmaster(leader)
    const send = (signal: NodeJS.Signals) => {
      leader.program?.kill(signal)
      signalAll(pid, signal)
    }
    send('SIGSTOP')
    let isFrozen = true
    const thaw = () => {
      if (isFrozen) send('SIGCONT')
      isFrozen = false
    }
    this.#ends.push(async () => {
      thaw()
    })
    await this.#untilOtherLeads(leader)
    return thaw
  }

  async stop (): Promise<void> {
    for (const end of this.#ends.toReversed()) await end()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start (): Promise<void> {
    this.#own(this.#folder)
    const etcd = await this.#startEtcd()
    const ports = await freePorts(4)
    this.#nodes = ['a', 'b'].map((name, at) => ({
      name,
      folder: path.join(this.#folder, name),
      port: ports[at] ?? 0,
      api: `http://127.0.0.1:${ports[at + 2]}`,
      program: undefined
    }))
    const [first, second] = this.#nodes as [Node, Node]
    await this.#startNode(first, etcd, 'primary')
    await this.#startNode(second, etcd, 'synchronous')
    await migrate(toUrl(first.port))
    const front = await startPrimaryFront(this.#folder, this.#nodes, (port) => takesWrites(toUrl(port)))
    this.#ends.push(front.stop)
    this.#front = toUrl(front.port)
  }

  async #startEtcd (): Promise<string> {
    const [clients = 0, peers = 0] = await freePorts(2)
    const [url, peer] = [`127.0.0.1:${clients}`, `http://127.0.0.1:${peers}`]
    const folder = path.join(this.#folder, 'etcd')
    const args = Object.entries({
      'data-dir': folder,
      'listen-client-urls': `http://${url}`,
      'advertise-client-urls': `http://${url}`,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`
    }).flatMap(([name, value]) => [`--${name}`, value])
    const isUp = () => isOk(`http://${url}/health`)
    this.#ends.push(await startProgram(findProgram('etcd') ?? '', args, isUp, 'etcd does not start', this.#owner))
    return url
  }

  async #startNode (node: Node, etcd: string, role: string): Promise<void> {
    mkdirSync(node.folder)
    this.#own(node.folder)
    const file = path.join(node.folder, 'patroni.json')
    writeFileSync(file, JSON.stringify(toConfiguration(node, etcd)))
    this.#own(file)
    this.#ends.push(async () => {
      await node.program?.stop()
      const pid = readPid(node)
      if (pid !== undefined) signalAll(pid, 'SIGKILL')
    })
    const complaint = `Patroni does not lead ${node.name} to be ${role}`
    const isUp = () => isOk(`${node.api}/${role}`)
    node.program = await runProgram(findProgram('patroni') ?? '', [file], isUp, complaint, {
      ...this.#owner,
      ms: PATIENCE_MS
    })
  }

  /** PostgreSQL does not run as root. */
  #own (place: string): void {
    if (this.#owner !== undefined) chownSync(place, this.#owner.uid, this.#owner.gid)
    chmodSync(place, 0o700)
  }

  async #findLeader (): Promise<Node> {
    for (const node of this.#nodes) if (await isOk(`${node.api}/primary`)) return node
    throw new Error('Patroni has no primary')
  }

  async #untilOtherLeads (old: Node): Promise<void> {
    const others = this.#nodes.filter((node) => node !== old)
    await until('another one leads', async () => {
      for (const { api } of others) if (await isOk(`${api}/primary`)) return true
      return false
    }, PATIENCE_MS)
  }
}

function findOwner (): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function readPid ({ folder }: Node): number | undefined {
  const file = path.join(folder, 'data', 'postmaster.pid')
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : undefined
}

function getPostmaster (node: Node): number {
  const pid = readPid(node)
  if (pid === undefined) throw new Error(`PostgreSQL ${node.name} does not run`)
  return pid
}

async function takesWrites (url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 })
  try {
    await client.connect()
    await client.end()
    return true
  } catch {
    return false
  }
}

async function isOk (url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => undefined)
  await response?.text()
  return response?.status === 200
}

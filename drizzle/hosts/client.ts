import pg, { type ClientConfig } from 'pg'
import { isLeft, leave, orderHosts, shun } from './order.ts'
import { describeHost, isOfPooler, parseHosts, type Host, type HostList, type Target } from './parse.ts'
import { describeRole, fits, isUnknown, noteReport, ROLE_QUERY, type Role } from './roles.ts'
import { renew, type Internals } from './renew.ts'
import { findNewer, isKnown, keepSession } from './timelines.ts'
import { watch } from './watch.ts'

/** Milliseconds for each of several hosts where the URL has no `connect_timeout`. */
const EACH_MS = 2000

/** Sessions that want one of these do not end on a primary that was left behind. */
const NO_PRIMARIES = new Set<Target>(['standby', 'read-only'])

/** No host could be reached and is what the URL asks for. Its code is that of a server that is away. */
export class NoHostError extends Error {
  override name = 'NoHostError'
  readonly code = 'ECONNREFUSED'
}

type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void)

/**
 * A client that knows URLs of several hosts: it connects to the first one that answers and is what
 * `target_session_attrs` asks for. With one host and no such wish it is pg's own.
 */
export class HostsClient extends pg.Client {
  readonly #list: HostList | undefined
  readonly #config: ClientConfig
  readonly #isPooled: boolean
  /** One host, whatever it is: pg's own way. */
  readonly #isPlain: boolean
  /** Resolves when the hosts were asked for their timelines once; undefined where that makes no difference. */
  #looked: Promise<void> | undefined
  #begunAt = performance.now()
  #role: Role = { isStandby: undefined, isReadOnly: undefined }
  /** What the session was taken for: `any` where the second choice of prefer-standby was taken. */
  #target: Target = 'any'

  /** @throws HostsError where the URL says something wrong of its hosts */
  constructor (config: ClientConfig = {}) {
    const url = config.connectionString
    const list = url === undefined ? undefined : parseHosts(url)
    const own = list === undefined ? config : toFirst(config, list)
    super(own)
    this.#list = list
    this.#isPlain = list === undefined || (list.hosts.length === 1 && list.target === 'any')
    this.#config = own
    this.#isPooled = url !== undefined && isOfPooler(url)
  }

  /**
   * False when the server has said that it is no longer what the URL asks for, as a primary that was demoted, or when
   * another session has found that it was left behind.
   */
  get isFit (): boolean {
    if (this.#isPlain) return true
    if (this.#isOneOfMany && isLeft(this, this.#begunAt)) return false
    return isUnknown(this.#target, this.#role) || fits(this.#target, this.#role)
  }

  /** Says that this one's server was left behind by a new primary: no session to it is used again, where there are other hosts. */
  leave (): void {
    if (this.#isOneOfMany) leave(this)
  }

  get #isOneOfMany (): boolean {
    return this.#list !== undefined && this.#list.hosts.length > 1
  }

  override connect (): Promise<pg.Client>
  override connect (callback: Connected): void
  override connect (callback?: Connected): Promise<pg.Client> | undefined {
    const list = this.#list
    if (list === undefined || this.#isPlain) {
      if (callback === undefined) return super.connect()
      super.connect(callback)
      return undefined
    }
    const connecting = this.#connectToOne(list)
    if (callback === undefined) return connecting
    const done = callback as (error: Error | null, client?: pg.Client) => void
    connecting.then((client) => {
      done(null, client)
    }, (error: Error) => {
      done(error)
    })
    return undefined
  }

  async #connectToOne (list: HostList): Promise<pg.Client> {
    const mayLead = this.#isOneOfMany && !NO_PRIMARIES.has(list.target)
    const watching = mayLead ? watch(list, this.#config, this.#timeout) : undefined
    this.#looked = watching?.looked
    try {
      const client = await this.#tryAll(list)
      if (watching !== undefined) this.once('end', watching.end)
      return client
    } catch (error) {
      watching?.end()
      throw error
    }
  }

  async #tryAll (list: HostList): Promise<pg.Client> {
    const targets: Target[] = list.target === 'prefer-standby' ? ['standby', 'any'] : [list.target]
    const attempts = targets.flatMap((target) => orderHosts(list).map((host) => ({ host, target })))
    const reasons = new Map<string, string>()
    let last: unknown
    for (const [at, { host, target }] of attempts.entries()) {
      if (this.#internals._ending) break
      if (at > 0) renew(this.#internals, this.#config)
      const reason = await this.#try(host, target).catch((error: unknown) => {
        if (isFinal(error)) throw error
        last = error
        return error instanceof Error ? error.message : 'failed'
      })
      if (reason === undefined) return this
      reasons.set(describeHost(host), reason)
    }
    if (this.#internals._connected) renew(this.#internals, this.#config)
    const said = [...reasons].map(([host, reason]) => `${host}: ${reason}`).join('; ')
    throw new NoHostError(
      `no host of DATABASE_URL ${list.target === 'any' ? 'answers' : `is ${list.target}`} (${said})`,
      {
        cause: last
      }
    )
  }

  /** Resolves to why the server does not fit; undefined when it does. */
  async #try (host: Host, target: Target): Promise<string | undefined> {
    const role: Role = { isStandby: undefined, isReadOnly: undefined }
    this.#role = role
    this.#target = target
    const internals = this.#internals
    if (host.host !== '') internals.host = host.host
    internals.port = host.port ?? Number(process.env['PGPORT'] ?? 5432)
    // A pooler repeats what some server said when it was connected to.
    if (!this.#isPooled) listen(internals.connection, role)
    const startedAt = performance.now()
    this.#begunAt = startedAt
    try {
      await super.connect()
      if (isUnknown(target, role)) await this.#inTime(() => this.#ask(role))
      if (!fits(target, role)) return describeRole(role)
      return await this.#findNewer(host, role)
    } catch (error) {
      if (performance.now() - startedAt >= this.#timeout) shun(host)
      throw error
    }
  }

  async #ask (role: Role): Promise<void> {
    // pg's own: what a subclass does around statements is for those of the program.
    const { rows: [row] } = await super.query<{ is_standby: boolean; is_read_only: string }>(ROLE_QUERY)
    role.isStandby = row?.is_standby
    role.isReadOnly = row?.is_read_only === 'on'
  }

  /** Why a primary must not be used. One that is known to lead is not asked: that costs no round trip. */
  async #findNewer (host: Host, role: Role): Promise<string | undefined> {
    if (this.#looked === undefined || role.isStandby === true) return undefined
    await this.#looked
    const reason = isKnown(host)
      ? undefined
      : await this.#inTime(() => findNewer(host, (text) => super.query(text)))
    if (reason === undefined) this.once('end', keepSession(host, this.#close))
    return reason
  }

  readonly #close = (reason: Error): void => {
    // Without a listener the end of an idle session would be that of the process.
    if (this.listenerCount('error') === 0) this.on('error', () => {})
    this.connection.stream.destroy(reason)
  }

  async #inTime<Result> (work: () => Promise<Result>): Promise<Result> {
    const { stream } = this.connection
    const timer = setTimeout(() => stream.destroy(new Error('timeout expired')), this.#timeout)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
    }
  }

  get #timeout (): number {
    return this.#config.connectionTimeoutMillis ?? EACH_MS
  }

  get #internals (): Internals {
    return this as unknown as Internals
  }
}

/**
 * Milliseconds after which each host was tried, each twice where the URL prefers standbys, and all were asked for their
 * timelines.
 * @param url of PostgreSQL
 * @param alone milliseconds for a single host
 */
export function connectBound (url: string, alone: number): number {
  const { hosts, target, timeout } = parseHosts(url)
  const each = timeout ?? (hosts.length === 1 ? alone : EACH_MS)
  const looking = hosts.length === 1 ? 0 : each
  return Math.max(alone, each * hosts.length * (target === 'prefer-standby' ? 2 : 1) + looking + 500)
}

function toFirst (config: ClientConfig, list: HostList): ClientConfig {
  const timeout = list.timeout ?? (list.hosts.length === 1 ? config.connectionTimeoutMillis : EACH_MS)
  return {
    ...config,
    connectionString: list.rest(list.hosts[0]),
    ...(timeout === undefined ? {} : { connectionTimeoutMillis: timeout })
  }
}

function listen (connection: pg.Connection, role: Role): void {
  connection.on('parameterStatus', ({ parameterName, parameterValue }: Record<string, unknown>) => {
    noteReport(role, String(parameterName), String(parameterValue))
  })
}

/** A server that answers and refuses, for another reason than that it starts or stops, is not passed over: as in libpq. */
function isFinal (error: unknown): boolean {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return false
  return !/^(57P|08)/.test(String(error.code)) || /unsupported startup parameter/.test(error.message)
}

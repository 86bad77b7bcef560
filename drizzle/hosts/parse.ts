/** What a server has to be, as libpq's `target_session_attrs` says it. */
const TARGETS = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const
export type Target = (typeof TARGETS)[number]

/** One server of a connection URL. */
export interface Host {
  /** A name, an address without brackets, or the folder of a Unix socket; '' where the URL names none. */
  host: string
  /** Undefined: PostgreSQL's own. */
  port: number | undefined
}

/** What a connection URL says of servers. */
export interface HostList {
  hosts: [Host, ...Host[]]
  target: Target
  isShuffled: boolean
  /** Milliseconds for each server, from `connect_timeout`. */
  timeout: number | undefined
  /** The URL without the list and its options; pg reads everything else of it. */
  rest: (host: Host) => string
}

/** A connection URL that says something wrong of its hosts. The message shows no user and no password. */
class HostsError extends Error {
  override name = 'HostsError'
  readonly code = 'HOSTS_INVALID'
}

const OWN = new Set(['host', 'port', 'target_session_attrs', 'load_balance_hosts', 'connect_timeout'])
const URL_PARTS = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?/i

/**
 * Reads the hosts of a connection URL, and what is wanted of them, as libpq does.
 * @param url `postgres://user:password@h1:5432,[::1]:5433/db?target_session_attrs=read-write`
 * @throws HostsError one line that says what is wrong
 */
export function parseHosts (url: string): HostList {
  const parts = URL_PARTS.exec(url)
  if (parts === null) throw new HostsError('DATABASE_URL must begin with postgres://')
  const [, scheme = '', user, authority = '', path = '', query = ''] = parts
  checkEncoding(user, url)
  const options = new URLSearchParams(query)
  const hosts = applyOptions(parseAuthority(authority, url), options)
  refuseDoubles(hosts)
  const kept = query.split('&').filter((pair) => pair !== '' && !OWN.has(decode(pair.split('=')[0] ?? '')))
  return {
    hosts,
    target: readChoice(options, 'target_session_attrs', TARGETS) ?? 'any',
    isShuffled: readChoice(options, 'load_balance_hosts', ['disable', 'random'] as const) === 'random',
    timeout: readTimeout(options),
    rest: ({ host, port }) =>
      `${scheme}${user === undefined ? '' : `${user}@`}${format(host)}${port === undefined ? '' : `:${port}`}${path}${
        kept.length === 0 ? '' : `?${kept.join('&')}`
      }`
  }
}

/** True where the URL says that its servers are PgBouncer, or another pooler that lends sessions. */
export function isOfPooler (url: string): boolean {
  return /[?&]pgbouncer=true\b/.test(url)
}

/** Host and port as a person reads them. */
export function describeHost ({ host, port }: Host): string {
  return `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`
}

function format (host: string): string {
  return host.includes(':') ? `[${host}]` : encodeURIComponent(host)
}

function parseAuthority (authority: string, url: string): [Host, ...Host[]] {
  const [first = '', ...others] = authority.split(',')
  const isAlone = others.length === 0
  if (!isAlone && [first, ...others].includes('')) {
    throw new HostsError('DATABASE_URL has an empty host between commas: take out the comma, or name the host')
  }
  return [parseHost(first, url), ...others.map((text) => parseHost(text, url))]
}

function parseHost (text: string, url: string): Host {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text) ?? []
  if (bracketed === undefined && plain === undefined) {
    throw new HostsError(
      `DATABASE_URL names a host that cannot be read: write an IPv6 address in brackets, such as [::1]:5432${hint(url)}`
    )
  }
  return {
    host: bracketed ?? decode(plain ?? ''),
    port: port === undefined || port === '' ? undefined : parsePort(port, url)
  }
}

function parsePort (text: string, url: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65535) return port
  throw new HostsError(`DATABASE_URL has a port that is no number from 1 to 65535${hint(url)}`)
}

// What looks like a host or port may be the beginning of a password, so it is not shown.
function hint (url: string): string {
  const isUserCutOff = URL_PARTS.exec(url)?.[2] === undefined && url.includes('@')
  return isUserCutOff ? '; characters such as / ? # @ in user or password must be percent-encoded' : ''
}

/** `?host=` and `?port=` win over what stands before the path, as in libpq: one port for all, or as many as hosts. */
function applyOptions (named: [Host, ...Host[]], options: URLSearchParams): [Host, ...Host[]] {
  const names = options.get('host')?.split(',') ?? []
  const [first, ...others] = names.map((host) => ({ host: host.replace(/^\[(.*)\]$/, '$1'), port: undefined }))
  const hosts: [Host, ...Host[]] = first === undefined || (first.host === '' && others.length === 0)
    ? named
    : [first, ...others]
  const ports = options.get('port')?.split(',') ?? []
  if (ports.length === 0 || (ports.length === 1 && ports[0] === '')) return hosts
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new HostsError(
      `DATABASE_URL has ${ports.length} ports for ${hosts.length} hosts: give one for all, or one for each`
    )
  }
  const parsed = ports.map((port) => port === '' ? undefined : parsePort(port, ''))
  return hosts.map((host, at) => ({ ...host, port: parsed.length === 1 ? parsed[0] : parsed[at] })) as [Host, ...Host[]]
}

function refuseDoubles (hosts: Host[]): void {
  const keys = hosts.map((host) => describeHost({ host: host.host.toLowerCase(), port: host.port ?? 5432 }))
  const double = keys.find((key, at) => keys.indexOf(key) !== at)
  if (double !== undefined) throw new HostsError(`DATABASE_URL names ${double} twice: name each host once`)
}

function readChoice<Choice extends string> (
  options: URLSearchParams,
  name: string,
  choices: readonly Choice[]
): Choice | undefined {
  const text = options.get(name)
  if (text === null) return undefined
  const choice = choices.find((one) => one === text)
  if (choice === undefined) {
    throw new HostsError(`DATABASE_URL: ${name} must be one of ${choices.join(', ')}`)
  }
  return choice
}

function readTimeout (options: URLSearchParams): number | undefined {
  const text = options.get('connect_timeout')
  if (text === null) return undefined
  if (!/^\d{1,4}$/.test(text)) throw new HostsError('DATABASE_URL: connect_timeout must be a whole number of seconds')
  return text === '0' ? undefined : Number(text) * 1000
}

function checkEncoding (user: string | undefined, url: string): void {
  // pg mends a lone % in the URL of one host by itself, and some passwords rely on it.
  if (user === undefined || !(URL_PARTS.exec(url)?.[3] ?? '').includes(',')) return
  try {
    decodeURIComponent(user)
  } catch {
    throw new HostsError('DATABASE_URL: a % in user or password must be written as %25')
  }
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HostsError('DATABASE_URL: a % in the name of a host or option must be written as %25')
  }
}

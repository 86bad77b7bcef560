import { describeHost, type Host, type HostList } from './parse.ts'

/** pgJDBC's figure (hostRecheckSeconds): so long each new session need not pay for the same silent host. */
const SHUN_MS = 10_000

/** Such a server stays as it is until somebody has rebuilt it. */
const LEFT_MS = 600_000

const shunned = new Map<string, number>()
/** When servers were found that others have left for a new primary. */
const left = new Map<string, number>()

/** Has a host that was silent tried last for ten seconds. */
export function shun (host: Host): void {
  shunned.set(describeHost(host), performance.now() + SHUN_MS)
}

/** Has the host of a primary that was left behind tried last for ten minutes, and its sessions of before given up. */
export function leave (host: Host): void {
  shunned.set(describeHost(host), performance.now() + LEFT_MS)
  left.set(describeHost(host), performance.now())
}

/** Takes back what was said of a host, for it leads now. */
export function welcome (host: Host): void {
  shunned.delete(describeHost(host))
  left.delete(describeHost(host))
}

/** True when a session that was begun at a time leads to a server that was found to be left since. */
export function isLeft (host: Host, begunAt: number): boolean {
  return (left.get(describeHost(host)) ?? -1) > begunAt
}

/** The hosts in the order in which they are tried: as the URL has them, or at random; shunned ones last. */
export function orderHosts ({ hosts, isShuffled }: HostList): Host[] {
  const ordered = isShuffled ? shuffle(hosts) : hosts
  const isShunned = (host: Host) => (shunned.get(describeHost(host)) ?? 0) > performance.now()
  return [...ordered.filter((host) => !isShunned(host)), ...ordered.filter(isShunned)]
}

function shuffle (hosts: Host[]): Host[] {
  const left = [...hosts]
  return hosts.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0] as Host)
}

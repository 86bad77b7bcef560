import { describeHost, type Host, type HostList } from './parse.ts'

/** pgJDBC's figure (hostRecheckSeconds): so long each new session need not pay for the same silent host. */
const SHUN_MS = 10_000

const shunned = new Map<string, number>()

/** Has a host that was silent, or leads to a server that others have left, tried last for ten seconds. */
export function shun (host: Host): void {
  shunned.set(describeHost(host), performance.now() + SHUN_MS)
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

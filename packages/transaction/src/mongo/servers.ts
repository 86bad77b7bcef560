import type { MongoClient, TopologyDescriptionChangedEvent } from 'mongodb'

/** The servers of each client that an app's transactions use, as `host:port`. */
const ofClients = new Set<Set<string>>()

/**
 * Notes the servers of a client, those too that it discovers.
 * @returns a function that forgets them
 */
export function noteServers (client: MongoClient): () => void {
  const { hosts } = client.options as { hosts?: readonly unknown[] }
  // A test double leads nowhere.
  if (hosts === undefined) return () => {}
  const servers = new Set(hosts.map(String))
  const noteMembers = ({ newDescription }: TopologyDescriptionChangedEvent) => {
    for (const address of newDescription.servers.keys()) servers.add(address)
  }
  ofClients.add(servers)
  client.on('topologyDescriptionChanged', noteMembers)
  return function forgetServers () {
    ofClients.delete(servers)
    client.removeListener('topologyDescriptionChanged', noteMembers)
  }
}

/**
 * True where an error of the driver names servers, and none of them is one of the app's: a handler has a client of its own
 * for something else. An error that names none is taken for the app's.
 */
export function isOfOtherServers (error: Error): boolean {
  if (ofClients.size === 0) return false
  const named = findServers(error)
  return named.length > 0 && !named.some((address) => [...ofClients].some((servers) => servers.has(address)))
}

function findServers (error: Error): string[] {
  const { reason, address } = error as { reason?: { servers?: unknown }; address?: unknown }
  if (typeof address === 'string') return [address]
  if (reason?.servers instanceof Map) return [...reason.servers.keys()].map(String)
  // "connection 3 to host:27017 closed", "connect ECONNREFUSED 127.0.0.1:27017"
  const [, inMessage] = /(?:^connection \S+ to|\bE[A-Z]+) (\S+:\d+)\b/.exec(error.message) ?? []
  return inMessage === undefined ? [] : [inMessage]
}

import pg, { type ClientConfig } from 'pg'
import { describeHost, type Host, type HostList } from './parse.ts'
import { findNewer, isKnown } from './timelines.ts'

/** So long a primary that was left behind may go unnoticed by sessions which are content with it. */
const EVERY_MS = 5000

interface Watch {
  looked: Promise<void>
  sessions: number
}

const watches = new Map<string, Watch>()

/**
 * Asks the hosts of a list for their timelines while there are sessions to one of them: all once, then, every few
 * seconds, those that do not lead.
 * @param config of the sessions
 * @param timeout milliseconds for each host
 * @returns `looked` when all were asked for the first time; `end` when the session is over. Neither throws
 */
export function watch (
  list: HostList,
  config: ClientConfig,
  timeout: number
): { looked: Promise<void>; end: () => void } {
  const name = list.hosts.map(describeHost).join()
  const look = async (hosts: Host[]) => {
    await Promise.all(hosts.map((host) => askAlone(list, host, config, timeout)))
  }
  let watch = watches.get(name)
  if (watch === undefined) {
    watch = { looked: look(list.hosts), sessions: 0 }
    watches.set(name, watch)
    goOn(name, watch, () => look(list.hosts.filter((host) => !isKnown(host))))
  }
  const counted = watch
  counted.sessions++
  let isOver = false
  return {
    looked: counted.looked,
    end: () => {
      if (!isOver) counted.sessions--
      isOver = true
    }
  }
}

function goOn (name: string, watch: Watch, look: () => Promise<void>): void {
  const timer = setTimeout(() => {
    if (watch.sessions === 0) {
      watches.delete(name)
      return
    }
    void look().then(() => {
      goOn(name, watch, look)
    })
  }, EVERY_MS)
  timer.unref()
}

/** On a session of its own, which ends with the answer or with the time. */
async function askAlone (list: HostList, host: Host, config: ClientConfig, timeout: number): Promise<void> {
  const client = new pg.Client({ ...config, connectionString: list.rest(host), connectionTimeoutMillis: timeout })
  client.on('error', () => {})
  const timer = setTimeout(() => client.connection.stream.destroy(new Error('timeout expired')), timeout)
  try {
    await client.connect()
    await findNewer(host, (text) => client.query(text))
    void client.end().catch(() => {})
  } catch {
    client.connection.stream.destroy()
  } finally {
    clearTimeout(timer)
  }
}

import { leave, welcome } from './order.ts'
import { describeHost, type Host } from './parse.ts'

/** A primary's own words. Servers of one cluster share `system`; each promotion begins a higher timeline. */
export interface History {
  system: string
  timeline: number
}

interface Lead {
  timeline: number
  /** By their names; several names may lead to one server. */
  hosts: Map<string, Host>
}

/** Asked of a primary, by any role; a standby answers with nulls. The file of WAL has its timeline in its name. */
const HISTORY_QUERY = `SELECT system_identifier::pg_catalog.text AS system,
  CASE WHEN NOT pg_catalog.pg_is_in_recovery()
    THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END AS file
  FROM pg_catalog.pg_control_system()`

type Ask = (text: string) => Promise<{ rows: Array<{ system: string; file: string | null }> }>

/** The newest primary that this process has met, by the identifier of its cluster. */
const leads = new Map<string, Lead>()
/** Servers that are no PostgreSQL, or do not say it: they are not asked again. */
const mute = new Set<string>()
/** What closes the sessions of each host. */
const sessions = new Map<string, Set<(reason: Error) => void>>()

/** True for a host that is known to have the newest timeline, and for one that cannot tell. */
export function isKnown (host: Host): boolean {
  const name = describeHost(host)
  return mute.has(name) || [...leads.values()].some(({ hosts }) => hosts.has(name))
}

/**
 * Asks a server for its timeline and compares it with the newest one.
 * @param ask sends one statement to it
 * @returns why it must not be used; undefined where nothing speaks against it, as on a standby
 * @throws what `ask` throws where the connection breaks
 */
export async function findNewer (host: Host, ask: Ask): Promise<string | undefined> {
  try {
    const { rows: [row] } = await ask(HISTORY_QUERY)
    if (row === undefined || row.file === null) return undefined
    return judge(host, { system: row.system, timeline: Number.parseInt(row.file.slice(0, 8), 16) })
  } catch (error) {
    if (!(error instanceof Error) || !('severity' in error)) throw error
    // A refusal that has another reason than the statement itself says nothing of the engine.
    if ('code' in error && /^(0A|42)/.test(String(error.code))) mute.add(describeHost(host))
    return undefined
  }
}

/** Takes note of what a primary has said. Whoever is overtaken loses its sessions at once, and is not used again. */
export function judge (host: Host, { system, timeline }: History): string | undefined {
  const name = describeHost(host)
  const lead = leads.get(system)
  if (lead !== undefined && timeline < lead.timeline) {
    giveUp(host)
    return `was left behind on timeline ${timeline}, ${[...lead.hosts.keys()].join()} has ${lead.timeline}; ` +
      'stop it, or restart the service to use it all the same'
  }
  if (lead !== undefined && timeline === lead.timeline) {
    lead.hosts.set(name, host)
    return undefined
  }
  leads.set(system, { timeline, hosts: new Map([[name, host]]) })
  welcome(host)
  for (const [other, behind] of lead?.hosts ?? []) if (other !== name) giveUp(behind)
  return undefined
}

/**
 * Has a session closed when its host is overtaken.
 * @param close told why
 * @returns call it when the session has ended
 */
export function keepSession (host: Host, close: (reason: Error) => void): () => void {
  const name = describeHost(host)
  const all = sessions.get(name) ?? new Set()
  sessions.set(name, all.add(close))
  return () => {
    all.delete(close)
  }
}

function giveUp (host: Host): void {
  leave(host)
  const reason = Object.assign(
    new Error(`${describeHost(host)} was left behind by a new primary: the session is closed`),
    {
      // As a connection that breaks, for that is what the statement in it meets.
      code: 'ECONNRESET'
    }
  )
  for (const close of sessions.get(describeHost(host)) ?? []) close(reason)
}

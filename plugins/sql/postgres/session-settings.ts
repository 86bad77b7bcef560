import pg, { type Client, type ClientConfig } from 'pg'
import { HostsClient } from '../../../drizzle/hosts/client.ts'
import { isOfPooler } from '../../../drizzle/hosts/parse.ts'

/**
 * How values are written and read, whatever the settings of role or database are: sent at the start of each session,
 * they come before those. PgBouncer keeps these, and refuses others, for the server sessions that it lends.
 */
const SESSION = {
  datestyle: 'ISO, MDY',
  timezone: 'UTC',
  standard_conforming_strings: 'on'
}
/** The same, where the session is the client's own; its tables are those that the migrations made. */
const OWN_SESSION = { ...SESSION, intervalstyle: 'postgres', bytea_output: 'hex', search_path: 'public' }

/** What pg sends at the start of a session; not in its types. */
interface Starting {
  getStartupConf: () => Record<string, string>
}

/**
 * Has a client name the settings by which values are written and read when it connects, and read bigint as numbers.
 * @param client that has not connected yet
 * @param isPooled its server sessions are PgBouncer's
 */
export function startWithSettings (client: Client, isPooled: boolean): void {
  const starting = client as unknown as Starting
  const getStartupConf = starting.getStartupConf.bind(client)
  starting.getStartupConf = () => ({ ...getStartupConf(), ...(isPooled ? SESSION : OWN_SESSION) })
  client.setTypeParser(pg.types.builtins.INT8, readBigint)
}

/** Ids, versions and counts are numbers; what a number does not hold exactly stays text, as pg has it. */
function readBigint (text: string): number | string {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

/** A client class for pools that need nothing else; behind PgBouncer where the URL says `pgbouncer=true`. */
export class SessionClient extends HostsClient {
  constructor (config: ClientConfig = {}) {
    super(config)
    // Whoever uses it sees its query fail; without a listener a killed session ends the process.
    this.on('error', () => {})
    startWithSettings(this, isOfPooler(config.connectionString ?? ''))
  }
}

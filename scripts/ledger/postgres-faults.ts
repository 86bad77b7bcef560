import { readdirSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { SmallDisk } from './small-disk.ts'

/** A role that transactions may set: it owns nothing and may not log in. */
export const ROLE = 'ledger_writer'

const MEGABYTES = 4096
const MOST_LOG_FILES = 100
const FILL = "CREATE TABLE filler AS SELECT repeat('x', 100) FROM generate_series(1, 100000)"

/** Makes a role that the service may set. It may write what the service writes, but no records of two-phase commits. */
export async function makeRole ({ url, adminUrl }: { url: string; adminUrl: string }): Promise<void> {
  const service = new URL(url).username
  await connected(adminUrl, (client) =>
    client.query(
      `CREATE ROLE ${ROLE} NOLOGIN;
     GRANT ${ROLE} TO ${service};
     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${ROLE};
     GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${ROLE};
     REVOKE ALL ON two_phase_commits FROM ${ROLE}`
    ))
}

/** The disk of a PostgreSQL, which can be full. */
export class FullDisk {
  readonly #disk: SmallDisk

  private constructor (disk: SmallDisk) {
    this.#disk = disk
  }

  /** Moves the cluster in a data folder to a disk of its own. The server must be stopped. */
  static under (dataDir: string): FullDisk {
    const cluster = readdirSync(dataDir).find((name) => /^pg\d+$/.test(name))
    if (cluster === undefined) throw new Error(`${dataDir} holds no cluster of PostgreSQL`)
    return new FullDisk(SmallDisk.under(path.join(dataDir, cluster), MEGABYTES))
  }

  /**
   * Leaves no room. Half of the times the server also needs a new file for its log of transactions, and stops.
   * @throws Error where there was room all the same
   */
  async fill (adminUrl: string): Promise<void> {
    // Connected before: a new session may need room too.
    await connected(adminUrl, async (client) => {
      this.#disk.fill()
      const error = await client.query(FILL).then(() => undefined, (error: unknown) => error)
      if (error === undefined) throw new Error('The disk of PostgreSQL was not full')
      if (Math.random() < 0.5) await endLog(client)
    })
  }

  /** Gives the room back. */
  free (): void {
    this.#disk.free()
  }

  /** Leaves the cluster in its folder, without the disk. The server must be stopped. */
  remove (): void {
    this.#disk.remove()
  }
}

/** Uses up the files of the log that were made before; the server stops at the next one. */
async function endLog (client: pg.Client): Promise<void> {
  try {
    for (let file = 0; file < MOST_LOG_FILES; file++) {
      await client.query("SELECT pg_logical_emit_message(true, 'ledger', 'x'); SELECT pg_switch_wal()")
    }
  } catch {
    // It has stopped.
  }
}

async function connected (connectionString: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString, application_name: 'ledger' })
  client.on('error', () => {/* the query rejects with it */})
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

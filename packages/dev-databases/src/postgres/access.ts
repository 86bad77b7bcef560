import { chmodSync, chownSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Client } from 'pg'
import { EmbeddedError } from '../errors.ts'
import type { NewPasswords, Passwords } from '../secrets.ts'
import type { Account } from '../system/launch.ts'

/** The superuser of a cluster, and the name of the database made in it. */
export const ADMIN = 'tandem'
/** The role the service connects as: it owns the database and may make others, and is no superuser. */
export const SERVICE = 'tandem_service'

const RULES = [
  '# Written by dev-databases at each start: nobody comes in without a password.',
  'local all all scram-sha-256',
  'host all all 127.0.0.1/32 scram-sha-256',
  'host replication all 127.0.0.1/32 scram-sha-256',
  ''
].join('\n')

/**
 * Sees to it that a cluster asks for passwords; those of an earlier version of this package did not.
 * @returns false where it was so already
 */
export function closeCluster (folder: string, account: Account | undefined): boolean {
  const file = path.join(folder, 'pg_hba.conf')
  if (existsSync(file) && readFileSync(file, 'utf8') === RULES) return false
  const part = `${file}.new`
  writeFileSync(part, RULES, { mode: 0o600 })
  chmodSync(part, 0o600)
  if (account !== undefined) chownSync(part, account.uid, account.gid)
  renameSync(part, file)
  return true
}

/** The statement that gives the superuser its password; for a server that nobody else can reach. */
export function adminPasswordSql ({ admin }: Passwords): string {
  return `ALTER ROLE ${ADMIN} PASSWORD '${admin}';\n`
}

/** Where a server is, and who asks. */
export interface Door {
  /** The cluster, where the socket is. */
  folder: string
  port: number
  passwords: NewPasswords
}

/**
 * Connects as the superuser, through the socket in the closed folder of the cluster where there is one.
 * @throws what the server says; 28P01 where the password is not this one
 */
async function connectAsAdmin (
  { folder, port, passwords }: Door,
  { password = passwords.admin, database = 'postgres' }: { password?: string; database?: string } = {}
): Promise<Client> {
  const socket = path.join(folder, `.s.PGSQL.${port}`)
  // The system takes no longer path.
  const isUsable = socket.length < 100 && statSync(socket, { throwIfNoEntry: false })?.isSocket() === true
  const client = new Client({
    host: isUsable ? folder : '127.0.0.1',
    port,
    user: ADMIN,
    password,
    database,
    ssl: false,
    connectionTimeoutMillis: 5000
  })
  client.on('error', () => {/* the query that is running rejects with it */})
  await client.connect()
  return client
}

/**
 * Closes a server that an earlier version of this package has started, and which still lets everybody in: it is told
 * the password of its superuser, and to ask for it.
 */
export async function closeRunning (door: Door): Promise<void> {
  const wrong = await connectAsAdmin(door, { password: 'no password at all' }).catch(() => undefined)
  if (wrong === undefined) return
  try {
    await wrong.query(adminPasswordSql(door.passwords))
    closeCluster(door.folder, ownerOf(door.folder))
    await wrong.query('SELECT pg_reload_conf()')
  } finally {
    await wrong.end()
  }
}

function ownerOf (folder: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const { uid, gid } = statSync(folder)
  return { uid, gid }
}

/**
 * Makes the database and the role of the service on the first start (and after one that was killed just before it), and
 * gives that role what an earlier version of this package has left to the superuser.
 * @returns the server's version
 */
export async function prepareServer (door: Door): Promise<string> {
  const client = await connectAsAdmin(door)
  try {
    const { rows: [row] } = await client.query<{ version: string; has_database: boolean; has_role: boolean }>(
      `SELECT current_setting('server_version') AS version,
        EXISTS (SELECT FROM pg_database WHERE datname = '${ADMIN}') AS has_database,
        EXISTS (SELECT FROM pg_roles WHERE rolname = '${SERVICE}') AS has_role`
    )
    if (row === undefined) throw new EmbeddedError('NOT_STARTED', 'PostgreSQL does not say its version: start again.')
    if (row.has_role && row.has_database && !door.passwords.isNew) return row.version
    if (!row.has_role) await client.query(`CREATE ROLE ${SERVICE}`)
    await client.query(
      `ALTER ROLE ${SERVICE} LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD '${door.passwords.service}'`
    )
    if (row.has_database) await handOver(door)
    else await client.query(`CREATE DATABASE ${ADMIN} OWNER ${SERVICE}`)
    return row.version
  } finally {
    await client.end()
  }
}

const HAND_OVER = `DO $$
DECLARE statement text;
BEGIN
  FOR statement IN
    SELECT format('ALTER SCHEMA %I OWNER TO ${SERVICE}', nspname) FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
    UNION ALL
    SELECT format('ALTER TABLE %s OWNER TO ${SERVICE}', c.oid::regclass) FROM pg_class c
      WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass
          AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i'))
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO ${SERVICE}', p.oid::regprocedure) FROM pg_proc p
      WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO ${SERVICE}', t.oid::regtype) FROM pg_type t
      WHERE typtype IN ('e', 'd') AND typnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')
  LOOP
    EXECUTE statement;
  END LOOP;
END $$`

async function handOver (door: Door): Promise<void> {
  const client = await connectAsAdmin(door, { database: ADMIN })
  try {
    await client.query(`ALTER DATABASE ${ADMIN} OWNER TO ${SERVICE}`)
    await client.query(HAND_OVER)
  } finally {
    await client.end()
  }
}

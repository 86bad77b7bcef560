import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { HostsClient } from '../hosts/client.ts'
import { isOfPooler } from '../hosts/parse.ts'
import { MigrationError } from '../journal.ts'

/** Longest wait for a lock: whoever comes behind a waiting migration waits too, so it gives up and tries again. */
const LOCK_TIMEOUT_MS = 400
/** A server sends an autovacuum away from a lock after a second of waiting (deadlock_timeout); some tries wait longer. */
const PATIENT_MS = 1300
const PATIENT_EACH = 4
/** Where several tables are locked: so that all of them take less time than the service waits for a lock. */
const LOCK_OF_SEVERAL_MS = 200
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000
// Two numbers nobody else is likely to use for an advisory lock in this database.
const LOCK = '7246001, 1'
const ASK_MS = 50
/** Another session holds a lock, or both waited for each other. */
const LOCKED = new Set<unknown>(['55P03', '40P01'])

const BOUNDS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout']

/** Takes away what role or database say about how long things may take: a migration must not end half way. */
function unbound (isLocal: boolean): string {
  return `SELECT set_config(name, '0', ${isLocal}) FROM pg_catalog.pg_settings WHERE name IN ('${BOUNDS.join("', '")}')`
}

/**
 * A connection that migrates; a lost one fails the statement that is waiting for it.
 * @param url with `pgbouncer=true` the session is a pooler's, and keeps the bounds it has outside of transactions
 */
export async function connect (url: string): Promise<pg.Client> {
  const client = new HostsClient({
    connectionString: url,
    application_name: 'migrate',
    connectionTimeoutMillis: 10_000
  })
  client.on('error', () => {})
  try {
    await client.connect()
    if (!isOfPooler(url)) await client.query(unbound(false))
    return client
  } catch (error) {
    await client.end()
    throw error
  }
}

/**
 * Makes this the only process that migrates. The lock belongs to a transaction, so it also holds through a pooler that
 * hands out connections per transaction. Whoever waits asks again and again: a session that waits inside one statement
 * would be waited for by CREATE INDEX CONCURRENTLY.
 * @param waitMs longest wait for somebody else who is migrating
 * @throws MigrationError MIGRATION_LOCKED
 */
export async function takeTurn (holder: pg.Client, waitMs: number): Promise<void> {
  const until = Date.now() + waitMs
  await holder.query(`BEGIN; ${unbound(true)}`)
  for (;;) {
    const { rows } = await holder.query<{ ours: boolean }>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS ours`)
    if (rows[0]?.ours === true) return
    if (Date.now() > until) refuseWait(undefined)
    await sleep(ASK_MS)
  }
}

/**
 * Runs a function in a transaction with a short wait for locks, in the schema of the service.
 * @param attempt how often it was tried before
 */
export async function inTransaction<Result> (
  client: pg.Client,
  work: () => Promise<Result>,
  attempt = 0
): Promise<Result> {
  const wait = isPatient(attempt) ? PATIENT_MS : LOCK_TIMEOUT_MS
  try {
    await client.query(
      `BEGIN; ${unbound(true)}; SET LOCAL lock_timeout = ${wait}; SET LOCAL search_path = public`
    )
    const result = await work()
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/**
 * Locks several tables for the rest of a transaction. Transactions that lock them in another order would wait for this
 * one and this one for them, again and again, so each try takes the next of the orders that are in use. Tries that wait
 * for long do so for one table, each time another, and take it first: whoever held a lock so long while it waits would be
 * found in a deadlock (after deadlock_timeout, a second), and the server ends the writer that finds it.
 */
export async function lockTables (client: pg.Client, orders: string[][], attempt: number): Promise<void> {
  const tables = orders[attempt % orders.length] ?? []
  const patient = isPatient(attempt) ? tables[Math.floor(attempt / PATIENT_EACH) % tables.length] : undefined
  const ordered = patient === undefined ? tables : [patient, ...tables.filter((table) => table !== patient)]
  for (const table of ordered) {
    await client.query(`SET LOCAL lock_timeout = ${table === patient ? PATIENT_MS : LOCK_OF_SEVERAL_MS};
      LOCK TABLE public.${pg.escapeIdentifier(table)} IN ACCESS EXCLUSIVE MODE`)
  }
}

function isPatient (attempt: number): boolean {
  return attempt % PATIENT_EACH === PATIENT_EACH - 1
}

/**
 * Runs work again while a lock is not to be had, with longer and longer pauses in which others get on.
 * @param waitMs longest time of trying
 * @param work is told how often it was tried before
 * @throws MigrationError MIGRATION_BLOCKED when that time is over; whatever else the work throws, at once
 */
export async function untilUnlocked<Result> (
  waitMs: number,
  work: (attempt: number) => Promise<Result>
): Promise<Result> {
  const until = Date.now() + waitMs
  for (let attempt = 0;; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (!LOCKED.has((error as { code?: unknown }).code)) throw error
      if (Date.now() > until) refuseLock(error)
      await sleep(Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS))
    }
  }
}

/** @throws MigrationError always: somebody else is migrating */
export function refuseWait (cause: unknown): never {
  throw new MigrationError(
    'MIGRATION_LOCKED',
    'Somebody else has been migrating this database for too long: wait for them, or stop them',
    { cause }
  )
}

function refuseLock (cause: unknown): never {
  throw new MigrationError(
    'MIGRATION_BLOCKED',
    'A table stayed locked by others for too long: end what is open for minutes (pg_stat_activity, xact_start), and migrate again; it goes on where it stopped',
    { cause }
  )
}

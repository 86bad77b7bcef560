import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import type { Leadership } from '../types.ts'

/** Milliseconds between tries to become leader, so about the time until a dead leader is replaced. */
const TRY_EVERY = 500
const PING_EVERY = 5000
const PING_TIMEOUT = 5000

// The server ends the session, and with it the lock, about ten seconds after a machine vanished, and fifteen after a process stopped answering.
const KEEP_ALIVE =
  'SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; SET idle_session_timeout = 15000'

/**
 * Waits for the advisory lock of a stream, on a connection of its own: the lock ends with the session, so with the process.
 * Two leaders at once cannot harm, because the position is compared in each transaction; the lock only saves their quarrel.
 */
export async function leadByLock (connect: () => Client, stream: string, signal: AbortSignal): Promise<Leadership> {
  const client = connect()
  const lost = new AbortController()
  const lose = () => {
    lost.abort()
  }
  client.on('error', lose)
  client.on('end', lose)
  try {
    await client.connect()
    await client.query(KEEP_ALIVE)
    while (!await isLocked(client, stream)) await sleep(TRY_EVERY, undefined, { signal })
  } catch (error) {
    client.end().catch(ignore)
    throw error
  }
  const timer = setInterval(() => {
    ping(client).catch(() => {
      client.connection.stream.destroy()
    })
  }, PING_EVERY).unref()
  return {
    lost: lost.signal,
    resign: async () => {
      clearInterval(timer)
      await client.end().catch(ignore)
    }
  }
}

async function isLocked (client: Client, stream: string): Promise<boolean> {
  // A replica gives locks too, which nobody on the primary knows of.
  const { rows } = await client.query<{ locked: boolean | null }>(
    'SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_try_advisory_lock(hashtext($1), hashtext($2)) END AS locked',
    ['change stream', stream]
  )
  if (rows[0]?.locked === null) throw new Error('the database is a replica: a change stream is led on the primary')
  return rows[0]?.locked === true
}

async function ping (client: Client): Promise<void> {
  await client.query({ text: 'SELECT 1', query_timeout: PING_TIMEOUT } as { text: string })
}

function ignore (): void {}

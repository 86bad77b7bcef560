import pg from 'pg'
import type { Test } from 'tap'
import type { App } from '../../app.ts'
import type { Survivor } from './well.ts'

/** A pool that is soon used up, and no copies that would use it too. */
export const SMALL = { DATABASE_POOL_SIZE: 5, DATABASE_MAX_OVERFLOW: 5, PROJECTIONS: false }

/** For floods: what is measured is what they leave behind, not how long a busy machine takes. */
export const PATIENT = {
  DATABASE_LOCK_TIMEOUT_MS: 40_000,
  DATABASE_STATEMENT_TIMEOUT_MS: 50_000,
  DATABASE_TRANSACTION_TIMEOUT_MS: 60_000,
  HANDLER_TIMEOUT_MS: 90_000,
  DATABASE_POOL_TIMEOUT_MS: 90_000
}

/** The service in this process, for the check after a fault. */
export function survivor (app: App, databaseUrl: string, rest: Partial<Survivor> = {}): Survivor {
  const send: Survivor['send'] = async (method, url, body) =>
    (await app.inject({ method, url, ...(body && { payload: body }) })).statusCode
  return { databaseUrl, send, pool: app.pg.pool, ...rest }
}

/** Sends a body; gives status, problem type and Retry-After. */
export const post = async (app: App, url: string, payload: object) => {
  const reply = await app.inject({ method: 'POST', url, payload })
  const { type = '' } = (reply.body === '' ? {} : reply.json()) as { type?: string }
  return { status: reply.statusCode, type: type.split('#')[1] ?? '', retryAfter: reply.headers['retry-after'] }
}

/** A connection of the test's own; it ends with the test. */
export async function admin (t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end().catch(() => {}))
  return client
}

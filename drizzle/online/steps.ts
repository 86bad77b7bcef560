import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { MigrationError, type Migration } from '../journal.ts'
import { inTransaction, untilUnlocked } from './session.ts'

/** How one statement of an online migration is run. */
export type Step =
  /** In a transaction of its own, which first locks the tables that `-- locks` names, in one of the orders it names. */
  | { kind: 'transaction'; text: string; locks: string[][] }
  /** Again and again: `$1` is what the run before returned as `next`, null at first; null ends it. */
  | { kind: 'batches'; text: string }
  /** Outside any transaction, as PostgreSQL demands. */
  | { kind: 'concurrently'; text: string; index: string }

const COMMENT = /^\s*--[^\n]*\n/
const LOCKS = /^-- locks ([a-z_0-9]+(?:(?:,| or) [a-z_0-9]+)*)$/m
const BATCHES = /^\s*-- batches\b/
const CONCURRENTLY =
  /^\s*(?:create\s+(?:unique\s+)?|drop\s+)index\s+concurrently\s+(?:if\s+(?:not\s+)?exists\s+)?"?([a-z_][a-z0-9_]*)"?/i
const DROP = /^\s*drop\b/i
/** Rows are alike where a unique index allows only one. */
const DUPLICATE = '23505'

/**
 * How a statement of an online migration is run.
 * @param statement its text, with comments before it
 */
function toStep (statement: string): Step {
  if (BATCHES.test(statement)) return { kind: 'batches', text: statement }
  let text = statement
  while (COMMENT.test(text)) text = text.replace(COMMENT, '')
  const index = CONCURRENTLY.exec(text)?.[1]
  if (index !== undefined) return { kind: 'concurrently', text, index }
  const orders = LOCKS.exec(statement)?.[1]?.split(' or ') ?? []
  return { kind: 'transaction', text: statement, locks: orders.map((order) => order.split(', ')) }
}

/** The steps of an online migration. */
export function toSteps ({ statements }: Migration): Step[] {
  return statements.map(toStep)
}

/** Runs a step whose effect a second run does not change; one in a transaction is run by the caller. */
export async function runRepeatable (
  client: pg.Client,
  step: Exclude<Step, { kind: 'transaction' }>,
  waitMs: number
): Promise<void> {
  if (step.kind === 'batches') await runBatches(client, step.text, waitMs)
  else await runConcurrently(client, step, waitMs)
}

async function runBatches (client: pg.Client, text: string, waitMs: number): Promise<void> {
  let next: string | null = null
  do {
    const after: string | null = next
    const startedAt = performance.now()
    next = await untilUnlocked(
      waitMs,
      (attempt) =>
        inTransaction(
          client,
          async () => (await client.query<{ next: string | null }>(text, [after])).rows[0]?.next ?? null,
          attempt
        )
    )
    // As long a rest as the work took, at most: the others on the disk come first.
    await sleep(Math.min(performance.now() - startedAt, 50))
  } while (next !== null)
}

async function runConcurrently (
  client: pg.Client,
  { text, index }: Extract<Step, { kind: 'concurrently' }>,
  waitMs: number
): Promise<void> {
  const isDrop = DROP.test(text)
  await untilUnlocked(waitMs, async () => {
    const state = await readIndex(client, index)
    if (state === (isDrop ? 'missing' : 'valid')) return
    // What an earlier run left half built serves no query and slows every write.
    if (state === 'invalid') await dropIndex(client, index)
    if (state === 'invalid' && isDrop) return
    try {
      await client.query(text)
    } catch (error) {
      if (!isDrop && await readIndex(client, index) === 'invalid') await dropIndex(client, index)
      throw explain(error)
    }
  })
}

async function dropIndex (client: pg.Client, index: string): Promise<void> {
  await client.query(`DROP INDEX CONCURRENTLY IF EXISTS public.${pg.escapeIdentifier(index)}`)
}

async function readIndex (client: pg.Client, index: string): Promise<'missing' | 'valid' | 'invalid'> {
  const { rows } = await client.query<{ valid: boolean }>(
    'SELECT indisvalid AS valid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass($1)',
    [`public.${pg.escapeIdentifier(index)}`]
  )
  return rows[0] === undefined ? 'missing' : rows[0].valid ? 'valid' : 'invalid'
}

// The server's own words may hold a value.
function explain (error: unknown): unknown {
  if ((error as { code?: unknown }).code !== DUPLICATE) return error
  const { constraint } = error as { constraint?: string }
  return new MigrationError(
    'MIGRATION_DUPLICATES',
    `rows are alike where ${constraint ?? 'a unique index'} allows only one; npm run db:preflight lists them`,
    { cause: error }
  )
}

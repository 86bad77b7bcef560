import type { RunQuery } from '../applied.ts'
import type { Offence } from '../preflight.ts'

const TABLES = "('users', 'orders', 'order_items', 'posts')"
// Of a column that is exchanged nothing may hang but what the migrations made.
const VIEWS = `SELECT DISTINCT v.oid::regclass::text AS id FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ${TABLES} AND v.oid <> c.oid`
const KEYS = `SELECT conrelid::regclass::text || '.' || conname AS id FROM pg_catalog.pg_constraint
  JOIN pg_catalog.pg_class c ON c.oid = confrelid
  WHERE contype = 'f' AND c.relnamespace = 'public'::regnamespace AND c.relname IN ${TABLES}
  AND conname NOT IN ('orders_user_id_fkey', 'order_items_order_id_fkey')`
const OPEN = `SELECT pid::text AS id FROM pg_catalog.pg_stat_activity WHERE datname = current_database()
  AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '1 minute'`

/**
 * Finds what would stop or hold up migrations that exchange columns of a PostgreSQL database.
 * @param run runs a statement on the database
 * @param isExchanging false where no such migration is left
 */
export async function findObstacles (run: RunQuery, isExchanging: boolean): Promise<Offence[]> {
  const found = [
    ...(isExchanging
      ? [
        {
          where: 'public',
          rule: 'views on tables whose columns are exchanged',
          repair: 'drop them before, make them again after',
          text: VIEWS
        },
        {
          where: 'public',
          rule: 'foreign keys of other tables to columns that are exchanged',
          repair: 'drop them before, make them again after, with bigint columns',
          text: KEYS
        }
      ]
      : []),
    {
      where: 'pg_stat_activity',
      rule: 'transactions open for more than a minute (pid)',
      repair: 'a migration waits for them, and so does the building of an index: end them',
      text: OPEN
    }
  ]
  const offences: Offence[] = []
  for (const { text, ...offence } of found) {
    const examples = (await run(text)).map(({ id }) => String(id))
    if (examples.length > 0) offences.push({ ...offence, count: examples.length, examples: examples.slice(0, 5) })
  }
  return offences
}

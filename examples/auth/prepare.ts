import type { Db } from 'mongodb'
import type { Client } from 'pg'
import { TENANT_ROLE } from './tenant-routes.ts'

/**
 * The table of the example, and who may see which row. `FORCE`: for the owner as well. A statement without
 * `app.tenant` sees nothing and stores nothing.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS notes (
  id uuid PRIMARY KEY,
  tenant text NOT NULL DEFAULT current_setting('app.tenant'),
  slug text NOT NULL,
  title text NOT NULL,
  body text NOT NULL,
  version int NOT NULL DEFAULT 1,
  CONSTRAINT notes_tenant_slug_key UNIQUE (tenant, slug)
);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own_tenant ON notes;
CREATE POLICY own_tenant ON notes
  USING (tenant = nullif(current_setting('app.tenant', true), ''))
  WITH CHECK (tenant = nullif(current_setting('app.tenant', true), ''));
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${TENANT_ROLE}') THEN
    CREATE ROLE ${TENANT_ROLE} NOLOGIN NOBYPASSRLS;
  END IF;
END $$;
GRANT ${TENANT_ROLE} TO current_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO ${TENANT_ROLE};
-- Keys and answers are stored in the transaction of the work, so under its role.
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO ${TENANT_ROLE};`

/**
 * Makes what the example needs in both stores; repeatable. Needs a user who may make roles.
 * @param client on the migrated database of the service
 */
export async function prepare (client: Client, db: Db): Promise<void> {
  await client.query(SCHEMA)
  await db.collection('notes').createIndexes([
    { name: 'notes_tenant_slug_key', key: { tenant: 1, slug: 1 }, unique: true },
    { name: 'notes_tenant_id_idx', key: { tenant: 1, _id: 1 } }
  ])
}

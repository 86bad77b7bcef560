import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Sample } from './load.ts'
import { size } from './routes.ts'

const run = promisify(execFile)

/** What PostgreSQL itself can do of a route: the same statements, prepared, without any HTTP in front. */
const SCRIPTS: Record<string, string> = {
  'GET /users/{id}': `\\set id random(1, ${size.users})
select id, email, name, created_at, updated_at from users where id = :id;
`,
  'POST /users/': `begin;
insert into users (email, name) values (gen_random_uuid() || '@bench.example', 'Bench User') returning id, email, name, created_at, updated_at;
commit;
`,
  'POST /orders/': `\\set id random(1, ${size.users})
begin;
insert into orders (user_id, total) values (:id, 9.00) returning id as order_id \\gset
insert into order_items (order_id, product, quantity, unit_price)
select :order_id, * from unnest(array['Pen', 'Ink', 'Paper'], array[2, 2, 2], array[1.50, 1.50, 1.50]) returning id, product, quantity, unit_price;
commit;
`
}

/** Why pgbench cannot run here; undefined when it can. */
export function pgbenchMissing (): string | undefined {
  return spawnSync('pgbench', ['--version']).status === 0 ? undefined : 'there is no pgbench in PATH'
}

/**
 * Measures a route's statements for a second, the shortest that pgbench can.
 * @param folder for its script
 * @returns undefined for routes that are not compared with it
 */
export async function measurePgbench (
  folder: string,
  databaseUrl: string,
  route: string,
  connections: number
): Promise<Sample | undefined> {
  const script = SCRIPTS[route]
  if (script === undefined) return undefined
  const file = path.join(folder, 'pgbench.sql')
  writeFileSync(file, script)
  const { stdout } = await run('pgbench', [
    '-M',
    'prepared',
    '-n',
    '-c',
    String(connections),
    '-j',
    '1',
    '-T',
    '1',
    '-f',
    file,
    databaseUrl
  ])
  const figure = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN)
  const latency = figure(/latency average = ([\d.]+) ms/)
  return {
    requestsPerSecond: figure(/tps = ([\d.]+)/),
    cpu: undefined,
    servers: { postgres: undefined, mongod: undefined },
    p50: latency,
    p99: Number.NaN,
    errors: figure(/number of failed transactions: (\d+)/)
  }
}

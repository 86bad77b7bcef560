import { is, Param, Placeholder, SQL } from 'drizzle-orm'
import { PgTransaction } from 'drizzle-orm/pg-core'
import type { Database } from '../index.ts'
import { nameConstraint } from './constraint-name.ts'
import { createRowReader, type Prepared, type Row, type RowReader } from './rows.ts'

/**
 * What this file and rows.ts take from Drizzle's insides, all of it: the session behind a handle with its client, and
 * the fields of a prepared query. test/drizzle/prepared.test.ts compares every query with Drizzle's own way of running
 * it.
 */
interface DrizzleInternals {
  dialect: { sqlToQuery: (query: SQL) => { sql: string; params: unknown[] } }
  /** Set where the handle is not a transaction of node-postgres. */
  $client?: Client
  session: { client: Client }
}
/** A pool, a connection, a transaction: whatever takes queries in the form of pg. */
interface Client {
  query: (config: Config, values: unknown[]) => Promise<{ rows: unknown[] }>
}
interface Config {
  name: string
  text: string
  rowMode?: 'array'
  types?: object
}
interface Preparable {
  prepare: (name: string) => PreparedQuery
}
interface PreparedQuery extends Prepared {
  /** PostgreSQL: text, rows as arrays, parsers that leave dates to the columns. */
  queryConfig?: Config
  params?: unknown[]
  /** SQLite. */
  query?: { sql: string; params: unknown[] }
}

/** Sends a statement with its values and reads the answer. */
export type Executor = (statement: Statement, values: unknown[]) => Promise<unknown>

/** A query that was built once. */
export interface Statement {
  readonly text: string
  readonly params: StatementParam[]
  /** Turns the rows of the driver into those of Drizzle; without it they stay as they are. */
  readonly read: RowReader | undefined
  /** Its name changes when the server refuses the plan behind the old one. */
  config: Config
}

/** One parameter: a constant, or the name of a value and what the encoder of its column makes of it. */
export interface StatementParam {
  name?: string
  value?: unknown
  encode?: (value: unknown) => unknown
}

// Where plancache.c of PostgreSQL refuses a plan whose columns changed; unlike the message it is never translated.
const STALE_PLAN = 'RevalidateCachedQuery'
const STALE_PLAN_STATE = '0A000'

/**
 * Builds a statement from a Drizzle query.
 * @param name what the server shall remember it by, unique in the service, at most 63 characters
 * @param query a Drizzle query builder, or a piece of `sql`
 * @param db any handle of the dialect; nothing is sent
 */
export function buildStatement (name: string, query: unknown, db: Database): Statement {
  const prepared: PreparedQuery = query instanceof SQL ? raw(query, db) : (query as Preparable).prepare(name)
  const text = prepared.queryConfig?.text ?? prepared.query?.sql ?? ''
  const params = prepared.params ?? prepared.query?.params ?? []
  return { text, params: params.map(toParam), read: createRowReader(prepared), config: toConfig(prepared, name, text) }
}

/**
 * The way statements take on a handle: the pool, a transaction or a savepoint, of either dialect.
 * @param db a Drizzle handle
 */
export function executorFor (db: Database): Executor {
  const { $client, session } = db as unknown as DrizzleInternals
  const client = $client ?? session.client
  return db instanceof PgTransaction
    ? (statement, values) => run(client, statement, values)
    : (statement, values) => runAgain(client, statement, values)
}

// A failed statement ends a transaction, so only outside of one it can be sent again; inside, the next try gets the new
// name.
async function runAgain (client: Client, statement: Statement, values: unknown[]): Promise<unknown> {
  const { name } = statement.config
  try {
    return await run(client, statement, values)
  } catch (error) {
    if (statement.config.name === name) throw error
    return await run(client, statement, values)
  }
}

async function run (client: Client, statement: Statement, values: unknown[]): Promise<unknown> {
  const { config, read } = statement
  try {
    const { rows } = await client.query(config, values)
    return read === undefined ? rows : read(rows as Row[])
  } catch (error) {
    if (isStale(error) && statement.config === config) statement.config = inherit(config, nextName(config.name))
    throw nameConstraint(error, statement.text)
  }
}

// What PostgreSQL's session prepared is used as it is; SQLite's is given the same form.
function toConfig ({ queryConfig, fields, customResultMapper }: PreparedQuery, name: string, text: string): Config {
  const isRaw = fields === undefined && customResultMapper === undefined
  return inherit(queryConfig ?? (isRaw ? {} : { rowMode: 'array' }), name, text)
}

// pg copies the own properties of a config whenever it is sent, which takes longer than all else it does with one. This
// has none: what it says is inherited.
function inherit (config: Partial<Config>, name: string, text = config.text): Config {
  const { rowMode, types } = config
  return Object.create(Object.freeze({ name, text, rowMode, types })) as Config
}

function isStale (error: unknown): boolean {
  const { code, routine } = error as { code?: unknown; routine?: unknown }
  return code === STALE_PLAN_STATE && routine === STALE_PLAN
}

function nextName (name: string): string {
  const [base = name, count = '1'] = name.split('#')
  return `${base}#${Number(count) + 1}`
}

function raw (query: SQL, db: Database): PreparedQuery {
  const { sql, params } = (db as unknown as DrizzleInternals).dialect.sqlToQuery(query)
  return { query: { sql, params } }
}

function toParam (param: unknown): StatementParam {
  if (is(param, Placeholder)) return { name: param.name }
  if (!is(param, Param) || !is(param.value, Placeholder)) return { value: param }
  const { encoder, value: { name } } = param
  return { name, encode: (value) => value === null ? null : encoder.mapToDriverValue(value) }
}

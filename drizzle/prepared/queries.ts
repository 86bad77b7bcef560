import { Placeholder, type SQL } from 'drizzle-orm'
import { getDialect, type Database, type Dialect, type Tables } from '../index.ts'
import { buildStatement, executorFor, type Executor, type StatementParam, type Statement } from './statement.ts'

/** The values a query is run with, as they stand in the query: one placeholder for each. */
export type Params<Values> = { readonly [Name in keyof Values]: Placeholder<string, Values[Name]> }

type Query = PromiseLike<unknown> | SQL
type Definition = ((params: never) => Query) | Each<never> | Later<never>
interface Each<Value> {
  each: (params: Array<Params<Value>>) => Query
}
interface Later<Values> {
  later: (params: Params<Values>) => Query
}
type Rows<Q> = Q extends SQL<infer Row> ? Row[] : Awaited<Q>

type Run<D> = D extends Each<infer Value> ? (values: Value[]) => Promise<Rows<ReturnType<D['each']>>>
  : D extends Later<infer Values> ? (values: Values) => Promise<Rows<ReturnType<D['later']>>>
  : D extends () => infer Q ? () => Promise<Rows<Q>>
  : D extends (params: Params<infer Values>) => infer Q ? (values: Values) => Promise<Rows<Q>>
  : never

/** A group of queries, bound to a handle by `on`. */
export interface Queries<D> {
  /**
   * The queries on a handle: `app.db`, `request.db`, a savepoint; of either dialect.
   * @param db a Drizzle handle
   * @returns one function per query; it takes the values of the query and resolves to its rows
   */
  on: (db: Database) => { [Name in keyof D]: Run<D[Name]> }
}

/**
 * Queries that are built once per dialect and sent as named statements, so that neither Drizzle nor PostgreSQL works
 * out the same text twice. Column mapping and types stay those of Drizzle.
 * @param group name of the group, the first part of each statement's name
 * @param define makes the queries; `db` builds them, what they run on is given to `on`
 * @example
 * const queries = defineQueries('users', (db, { users }) => ({
 *   byId: ({ id }: Params<{ id: number }>) => db.select().from(users).where(eq(users.id, id))
 * }))
 * const [user] = await queries.on(request.db).byId({ id: 7 }) // sent as the statement users_by_id
 */
export function defineQueries<D extends Record<string, Definition>> (
  group: string,
  define: (db: Database, tables: Tables, dialect: Dialect) => D
): Queries<D> {
  const built = new Map<Dialect, BoundClass>()
  return {
    on (db) {
      const dialect = getDialect(db)
      let Bound = built.get(dialect)
      if (Bound === undefined) {
        Bound = bind(group, define(db, dialect.tables, dialect), db)
        built.set(dialect, Bound)
      }
      return new Bound(executorFor(db)) as unknown as { [Name in keyof D]: Run<D[Name]> }
    }
  }
}

/**
 * A query over a list of values, such as the rows of an insert: one statement for each length that occurs, kept.
 * @param each makes the query from one set of placeholders per value
 * @example addItems: many((items: Array<Params<NewItem>>) => db.insert(orderItems).values(items.map(…)).returning())
 */
export function many<Value, Q extends Query> (
  each: (params: Array<Params<Value>>) => Q
): { each: (params: Array<Params<Value>>) => Q } {
  return { each }
}

/**
 * A query that is built when it is first run, instead of with its group.
 * @param define makes the query, as the functions of a group do
 */
export function later<Values, Q extends Query> (
  define: (params: Params<Values>) => Q
): { later: (params: Params<Values>) => Q } {
  return { later: define }
}

type BoundClass = new(executor: Executor) => object

// Methods stand on a prototype: binding a group to a handle makes one small object, however many queries it has.
function bind (group: string, definitions: Record<string, Definition>, db: Database): BoundClass {
  class Bound {
    readonly executor: Executor
    constructor (executor: Executor) {
      this.executor = executor
    }
  }
  for (const [name, definition] of Object.entries(definitions)) {
    const run = createRunner(`${group}_${snakeCase(name)}`, definition, db)
    Object.defineProperty(Bound.prototype, name, {
      value (this: Bound, values: unknown) {
        return run(this.executor, values)
      }
    })
  }
  return Bound
}

function createRunner (
  name: string,
  definition: Definition,
  db: Database
): (executor: Executor, values: unknown) => Promise<unknown> {
  if ('each' in definition) {
    const byLength = new Map<number, Statement>()
    return (executor, values) => {
      const rows = values as Array<Record<string, unknown>>
      let statement = byLength.get(rows.length)
      if (statement === undefined) {
        const params = rows.map((_, at) => placeholders(`${at}.`))
        statement = buildStatement(`${name}_${rows.length}`, definition.each(params as never), db)
        byLength.set(rows.length, statement)
      }
      return executor(statement, fill(statement, (place) => valueIn(rows, place)))
    }
  }
  const isLater = 'later' in definition
  const define = isLater ? definition.later : definition
  const build = () => buildStatement(name, define(placeholders('') as never), db)
  let statement = isLater ? undefined : build()
  return (executor, values) => {
    const built = statement ??= build()
    return executor(built, fill(built, (place) => (values as Record<string, unknown>)[place]))
  }
}

function placeholders (prefix: string): object {
  return new Proxy({}, {
    get: (_, name) => new Placeholder(prefix + String(name)),
    ownKeys: () => {
      throw new TypeError('The values of a query are not known before it runs: name each of them')
    }
  })
}

// `3.product` is the product of the fourth value.
function valueIn (rows: Array<Record<string, unknown>>, place: string): unknown {
  const dot = place.indexOf('.')
  return rows[Number(place.slice(0, dot))]?.[place.slice(dot + 1)]
}

function fill ({ params, config }: Statement, getValue: (name: string) => unknown): unknown[] {
  return params.map(({ name, value, encode }: StatementParam) => {
    if (name === undefined) return value
    const given = getValue(name)
    // Drivers send undefined as null, which would be a row nobody asked for.
    if (given === undefined) throw new TypeError(`Statement ${config.name} was given no value for ${name}`)
    return encode === undefined ? given : encode(given)
  })
}

function snakeCase (name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

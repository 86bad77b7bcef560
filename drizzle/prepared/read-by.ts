import type { Prepared, Row } from './rows.ts'

interface Preparable {
  prepare: (name: string) => Prepared
}

/**
 * A query of `defineQueries` whose rows are read by a function of its own, instead of becoming objects by Drizzle's
 * rules.
 * @param query a Drizzle query builder
 * @param compile makes that function of what Drizzle has prepared, once
 * @returns a query for `defineQueries` alone: it cannot be awaited
 * @example readBy(db.select({ name: users.name }).from(users), () => (rows) => rows.map(([name]) => name))
 */
export function readBy<Rows> (
  query: object,
  compile: (prepared: Prepared) => (rows: Row[]) => Rows
): PromiseLike<Rows> {
  const prepare = (name: string): Prepared => {
    const prepared = (query as Preparable).prepare(name)
    return Object.assign(prepared, { customResultMapper: compile(prepared) })
  }
  return { prepare } as unknown as PromiseLike<Rows>
}

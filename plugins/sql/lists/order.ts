import { asc, desc, param, sql, type Placeholder, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { Dialect } from '../../../drizzle/index.ts'
import type { SortKind } from '../../../schemas/list.ts'

/** What a list is sorted by: a column, and the id where values are the same. */
export interface Sorted {
  key: PgColumn
  id: PgColumn
  kind: SortKind
  isDescending: boolean
}

/** The terms of ORDER BY; indexes of lists have the same. */
export function orderBy ({ key, id, kind, isDescending }: Sorted, dialect: Dialect): SQL[] {
  const direction = isDescending ? desc : asc
  return [...(key === id ? [] : toTerms(key, kind, dialect)), id].map((term) => direction(term))
}

/** What is behind a place: compared as one value, so that the index is entered where the page begins. */
export function after (
  { key, id, kind, isDescending }: Sorted,
  place: Record<'key' | 'id', Placeholder>,
  dialect: Dialect
): SQL {
  const sign = sql.raw(isDescending ? '<' : '>')
  if (key === id) return sql`${id} ${sign} ${param(place.id, id)}`
  const terms = [...toTerms(key, kind, dialect), id]
  const values = [...toTerms(sql`${param(place.key, key)}`, kind, dialect), param(place.id, id)]
  return sql`(${sql.join(terms, sql`, `)}) ${sign} (${sql.join(values, sql`, `)})`
}

// Text by its characters in every store and locale. SQLite has decimals as text, not negative and all with the same
// places: the longer one is the larger.
function toTerms (value: SQLWrapper, kind: SortKind, { name }: Dialect): SQLWrapper[] {
  if (kind === 'text' && name === 'postgres') return [sql`${value} collate "C"`]
  return kind === 'decimal' && name === 'sqlite' ? [sql`length(${value})`, value] : [value]
}

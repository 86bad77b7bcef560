import { and, sql, type Column, type SQL } from 'drizzle-orm'
import type { Params } from '../../drizzle/prepared/queries.ts'

/** Which versions a write expects. */
export interface Precondition {
  /** The versions of `If-Match`: the row must have one of them. Undefined where any will do. */
  match?: string[]
  /** The versions of `If-None-Match`: the row must have none of them; `*`: there must be no row. */
  noneMatch?: string[] | '*'
}

/**
 * A precondition as the values of a statement: versions between commas, null where nothing is expected, `*` for all.
 */
export interface VersionLists {
  match: string | null
  noneMatch: string | null
}

/** @returns undefined where a request expects nothing */
export function toVersionLists ({ match, noneMatch }: Precondition): VersionLists | undefined {
  if (match === undefined && noneMatch === undefined) return undefined
  return {
    match: match === undefined ? null : `,${match.join()},`,
    noneMatch: noneMatch === undefined ? null : noneMatch === '*' ? '*' : `,${noneMatch.join()},`
  }
}

/**
 * The condition of a statement that writes: the row it would change has one of the versions that are expected, and none
 * of the others. The database decides under the row's lock, so of two writers with the same version one finds no row.
 * In words of both dialects.
 */
export function isExpected (version: Column, { match, noneMatch }: Params<VersionLists>): SQL | undefined {
  const [wanted, unwanted] = [sql`cast(${match} as text)`, sql`cast(${noneMatch} as text)`]
  const place = sql`'%,' || cast(${version} as text) || ',%'`
  return and(
    sql`(${wanted} is null or ${wanted} like ${place})`,
    sql`(${unwanted} is null or (${unwanted} <> '*' and ${unwanted} not like ${place}))`
  )
}

import { sql, type Column, type SQL } from 'drizzle-orm'

/** A rule that both dialects check. */
export interface Rule {
  /** The condition of the CHECK. Numbers and words stand in the text: DDL cannot have parameters. */
  check: (column: Column) => SQL
  /** What a client is told, after the name of the field. */
  detail: string
}

/**
 * A text of so many characters: LENGTH counts them in both dialects.
 * @public
 */
export function hasLength ({ minLength = 0, maxLength = 0 }: { minLength?: number; maxLength?: number }): Rule {
  return {
    check: (column) => sql`length(${column}) between ${raw(minLength)} and ${raw(maxLength)}`,
    detail: `must be ${minLength} to ${maxLength} characters long`
  }
}

/**
 * A number within these bounds.
 * @public
 */
export function isBetween ({ minimum = 0, maximum = 0 }: { minimum?: number; maximum?: number }): Rule {
  return {
    check: (column) => sql`${column} between ${raw(minimum)} and ${raw(maximum)}`,
    detail: `must be ${minimum} to ${maximum}`
  }
}

/**
 * One of these words.
 * @public
 */
export function isOneOf (words: readonly string[]): Rule {
  return {
    check: (column) => sql`${column} in (${raw(words.map((word) => `'${word}'`).join(', '))})`,
    detail: `must be one of ${words.join(', ')}`
  }
}

/**
 * An exact number that is not below zero; it is text in SQLite.
 * @public
 */
export function isNotNegative (detail = 'must not be less than zero'): Rule {
  return { check: (amount) => sql`cast(${amount} as numeric) >= 0`, detail }
}

function raw (text: string | number): SQL {
  return sql.raw(String(text))
}

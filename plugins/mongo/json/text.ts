import type { TSchema } from '@sinclair/typebox'
import { TEXT_PATTERN } from '../../../schemas/common.ts'

/**
 * Makes a function that says whether a text is as its schema has it: its length in characters, and its pattern.
 * @param schema of a string; `format` is left to the validator of the collection
 */
export function compileText ({ minLength = 0, maxLength = Infinity, pattern }: TSchema): (text: string) => boolean {
  const matches = toMatch(pattern)
  return function isText (text) {
    const { length } = text
    // A character takes one or two places of a text; counting them is for the few that may be too long or too short.
    if (length < minLength || (length > maxLength && countCharacters(text) > maxLength)) return false
    return (length >= 2 * minLength || countCharacters(text) >= minLength) && matches(text)
  }
}

/** Bounds of the length of a text; none fits where `most` is less than `least`. */
export interface Lengths {
  least: number
  most: number
}

/**
 * How long texts without control characters may be that are as their schema has them, whatever they are; none where
 * their pattern asks for more.
 */
export function getPlainLengths ({ minLength = 0, maxLength = Infinity, pattern }: TSchema): Lengths {
  const isAny = pattern === undefined || pattern === TEXT_PATTERN
  return isAny ? { least: minLength, most: maxLength } : { least: 0, most: -1 }
}

function toMatch (pattern: unknown): (text: string) => boolean {
  if (typeof pattern !== 'string') return () => true
  if (pattern === TEXT_PATTERN) return (text) => !text.includes('\0')
  const expression = new RegExp(pattern, 'u')
  return (text) => expression.test(text)
}

function countCharacters (text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

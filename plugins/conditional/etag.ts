import { createHash } from 'node:crypto'

const TAG = /^(W\/)?"([\x21\x23-\x7e]*)"$/

/** An entity tag of RFC 9110, 8.8.3. */
export interface EntityTag {
  isWeak: boolean
  value: string
}

/**
 * The entity tags of `If-Match` or `If-None-Match`.
 * @param header the header as it came
 * @returns `*`, or the tags; undefined when it is neither
 */
export function parseTags (header: string): EntityTag[] | '*' | undefined {
  if (header.trim() === '*') return '*'
  // A comma may stand in a tag, so the list is read tag by tag.
  const parts = header.match(/\s*(?:W\/)?"[^"]*"\s*(?:,|$)|[^,]+(?:,|$)/g) ?? []
  const tags = parts.map((part) => TAG.exec(part.replace(/,$/, '').trim()))
  if (tags.length === 0 || tags.includes(null)) return undefined
  return tags.map((tag) => ({ isWeak: tag?.[1] !== undefined, value: tag?.[2] ?? '' }))
}

/**
 * The tag of a version of a resource.
 * @param version changes whenever the resource does
 * @param format changes whenever the way it is written does
 */
export function toTag (version: string | number, format: string): string {
  return `"${version}-${format}"`
}

/** The version in the tag of a resource; a tag that is no tag of ours is a version that no row has. */
export function getVersion ({ value }: EntityTag): string {
  return /^(\d{1,19})-[\w-]+$/.exec(value)?.[1] ?? '-1'
}

/** A short text that changes with what it is made of. */
export function getHash (text: string | Buffer): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}

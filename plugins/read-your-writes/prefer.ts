/** Seconds a request may ask to wait. */
const LONGEST = 10

/**
 * The `wait` of a `Prefer` header (RFC 7240): how many seconds the client prefers to wait.
 * @param header its value, or values where it was sent more than once
 * @returns seconds, at most 10; undefined when the client states no such preference
 */
export function preferredWait (header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const text = [header].flat().join(',')
  const match = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(text)
  return match === null ? undefined : Math.min(Number(match[1]), LONGEST)
}

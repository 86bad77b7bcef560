/**
 * How many values a parsed body holds: items of arrays and properties of objects, at any depth.
 *
 * @param data what a parser has made
 * @param enough the count ends above this number
 * @returns the count, or some number above `enough`
 */
export function countValues (data: unknown, enough: number): number {
  let count = 0
  const waiting = [data]
  for (let value = waiting.pop(); value !== undefined && count <= enough; value = waiting.pop()) {
    if (typeof value !== 'object' || value === null) continue
    if (Array.isArray(value)) count += value.length
    else for (const _ in value) if (++count > enough) return count
    if (count > enough) return count
    for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) waiting.push(inner)
  }
  return count
}

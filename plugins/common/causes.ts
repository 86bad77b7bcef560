const DEEPEST = 5

/**
 * An error and what caused it, the outermost first: drivers, Drizzle and plugins wrap each other's errors.
 * @param error anything that was thrown
 * @returns at most five errors; none when it is no Error
 */
export function getCauses (error: unknown): Array<Error & Record<string, unknown>> {
  const found: Array<Error & Record<string, unknown>> = []
  for (let at = error; at instanceof Error && found.length < DEEPEST; at = at.cause) {
    found.push(at as Error & Record<string, unknown>)
  }
  return found
}

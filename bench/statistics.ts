/** Median, smallest and largest of some figures. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** The spread of figures; all NaN when there are none. */
export function spread (figures: number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = Number.isInteger(middle)
    ? ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
    : sorted[Math.floor(middle)] ?? Number.NaN
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

/** Ratios of two series, round by round: what a noisy machine does to both of a pair mostly cancels out. */
export function ratios (over: number[], under: number[]): Spread {
  return spread(over.flatMap((figure, round) => {
    const other = under[round]
    return other === undefined || other === 0 ? [] : [figure / other]
  }))
}

/** The highest bit of each of four bytes; set where a byte is not of ASCII. */
export const HIGH_BITS = 0x80808080

/** The highest bits of those of four bytes that JSON escapes, and perhaps of some that follow one. */
export function findEscapes (four: number): number {
  // A subtraction borrows the highest bit where a byte is less than a blank, or equal to the other two.
  return ((four - 0x20202020) | markQuotes(four) | markBackslashes(four)) & ~four & HIGH_BITS
}

function markQuotes (four: number): number {
  return (four ^ 0x22222222) - 0x01010101
}

function markBackslashes (four: number): number {
  return (four ^ 0x5c5c5c5c) - 0x01010101
}

/** The highest bits of those of four bytes that end a string or begin an escape, and perhaps of some that follow one. */
export function findEnds (four: number): number {
  return (markQuotes(four) | markBackslashes(four)) & ~four & HIGH_BITS
}

/** How many of four bytes continue a character: they begin with the bits 10. */
export function countContinuations (four: number): number {
  return countHighBits(four & ~(four << 1))
}

/** How many of four bytes begin a character that is a pair of surrogates in a string: with the bits 1111. */
export function countPairs (four: number): number {
  return countHighBits(four & (four << 1) & (four << 2) & (four << 3))
}

function countHighBits (four: number): number {
  return Math.imul((four & HIGH_BITS) >>> 7, 0x01010101) >>> 24
}

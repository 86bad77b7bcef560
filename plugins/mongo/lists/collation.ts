/**
 * Compares decimals, which are texts of as many places each, as numbers: in the index of a list that is sorted by one.
 */
export const BY_NUMBER = { locale: 'en', numericOrdering: true } as const

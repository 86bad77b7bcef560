/** Lists of errors that hold only the first one. */
const firsts = new WeakSet<object>()

/** Notes that the work ended at the first error. */
export function markAsFirst (errors: object): void {
  firsts.add(errors)
}

/** Whether there may be more errors than the list holds. */
export function isFirstOnly (errors: object): boolean {
  return firsts.has(errors)
}

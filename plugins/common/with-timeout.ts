/**
 * Waits for work, but not longer than a time. The work itself goes on.
 * @param work what is waited for
 * @param ms longest wait in milliseconds
 * @param late makes the result of a wait that was too long, or throws
 */
export async function withTimeout<Result, Late> (
  work: Promise<Result>,
  ms: number,
  late: () => Late
): Promise<Result | Late> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late')
  })
  try {
    const first = await Promise.race([work.then((result) => ({ result })), end])
    return first === 'late' ? late() : first.result
  } finally {
    clearTimeout(timer)
  }
}

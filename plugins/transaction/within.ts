/**
 * Waits for a promise, but no longer than `time` milliseconds (0: as long as it takes).
 * A later outcome of the promise is ignored.
 */
export async function within<Result> (time: number, promise: Promise<Result>, message: string): Promise<Result> {
  if (time === 0) return await promise
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(message)) }, time)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
    promise.catch(() => {})
  }
}

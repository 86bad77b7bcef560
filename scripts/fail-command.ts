/**
 * Says why a command failed, and sets the exit code: 2 after wrong arguments, and then also how to call it.
 * @param tell what is shown of any other error. Default: its message
 */
export function failCommand (error: unknown, usage: string, tell: (error: unknown) => unknown = getMessage): void {
  const isUsage = error instanceof RangeError || (error instanceof TypeError && 'code' in error)
  console.error(isUsage ? `${error.message}\n${usage}` : tell(error))
  process.exitCode = isUsage ? 2 : 1
}

function getMessage (error: unknown): unknown {
  return error instanceof Error ? error.message : error
}

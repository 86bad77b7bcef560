import type { PoolClient } from 'pg'

interface Notice {
  severity?: string | undefined
  routine?: string | undefined
  message?: string | undefined
}

/** Collects the warnings of a connection that no function of the application raised, until `stop` is called. */
export function collectWarnings (client: PoolClient): { warnings: string[]; stop: () => void } {
  const warnings: string[] = []
  function onNotice ({ severity, routine, message }: Notice): void {
    if (severity === 'WARNING' && routine !== 'exec_stmt_raise') warnings.push(message ?? '')
  }
  client.on('notice', onNotice)
  return { warnings, stop: () => client.removeListener('notice', onNotice) }
}

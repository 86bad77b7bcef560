import type { PoolClient } from 'pg'

interface Notice {
  severity?: string | undefined
  routine?: string | undefined
  message?: string | undefined
}

/** Where the warnings of a connection go at the moment; each connection keeps its one listener. */
const collecting = new WeakMap<PoolClient, { warnings: string[] | undefined }>()

/** Collects the warnings of a connection that no function of the application raised, until `stop` is called. */
export function collectWarnings (client: PoolClient): { warnings: string[]; stop: () => void } {
  const state = collecting.get(client) ?? listen(client)
  const warnings: string[] = []
  state.warnings = warnings
  return {
    warnings,
    stop: () => {
      state.warnings = undefined
    }
  }
}

function listen (client: PoolClient): { warnings: string[] | undefined } {
  const state: { warnings: string[] | undefined } = { warnings: undefined }
  collecting.set(client, state)
  client.on('notice', ({ severity, routine, message }: Notice) => {
    if (severity === 'WARNING' && routine !== 'exec_stmt_raise') state.warnings?.push(message ?? '')
  })
  return state
}

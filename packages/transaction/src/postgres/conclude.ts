import type { PoolClient, QueryResult } from 'pg'
import { collectWarnings } from './server-warnings.ts'
import { withTimeout } from '../core/with-timeout.ts'

/** How the server answered the last statement of a message. */
export interface Conclusion {
  /** Its command tag. */
  command: string | undefined
  /** A warning of the server's own. */
  warning: string | undefined
}

/**
 * Sends the message that ends a transaction.
 * @param timeout milliseconds until it counts as not answered
 * @throws what the server answers, or that it did not
 */
export async function conclude (client: PoolClient, message: string, timeout: number): Promise<Conclusion> {
  const { warnings, stop } = collectWarnings(client)
  try {
    const concluding = client.query(message) as Promise<QueryResult | QueryResult[]>
    const answer = await withTimeout(timeout, concluding, () => describeLate(message))
    return { command: getLast(answer)?.command, warning: warnings[0] }
  } finally {
    stop()
  }
}

/** The result of a message's last statement. */
function getLast (answer: QueryResult | QueryResult[]): QueryResult | undefined {
  return Array.isArray(answer) ? answer.at(-1) : answer
}

/** Names the last statement of a message, without the values it has. */
function describeLate (message: string): string {
  return `${message.slice(message.lastIndexOf(';') + 1).trim().replace(/ '.*/, '')} was not answered in time`
}

import type pg from 'pg'
import type { ClientConfig, QueryConfig } from 'pg'
import { HostsClient } from '../../../drizzle/hosts/client.ts'
import type { Query } from './autocommit.ts'
import { startWithSettings } from './session-settings.ts'

/** What one connection does beside talking to the server. */
export interface ClientRules {
  /** PgBouncer shares server connections between clients: a prepared statement would be gone, or another's. */
  dropNames: boolean
  /** Told of every statement and its milliseconds, never of its values. */
  echo: ((statement: string, milliseconds: number) => void) | undefined
  /** Told when the connection breaks while somebody uses it; the statement itself fails as well. */
  onError: (error: Error) => void
}

/**
 * The client class of a pool. It carries its own configuration, so that the pool's options hold neither URL nor
 * password and may be logged.
 */
export function clientClass (config: ClientConfig, rules: ClientRules): new() => pg.Client {
  return class Client extends HostsClient {
    /** Asked by fastify-transaction before it names the statements that begin a transaction. */
    readonly dropsNames = rules.dropNames

    constructor () {
      super(config)
      // Without a listener one killed session ends the process.
      this.on('error', rules.onError)
      startWithSettings(this, rules.dropNames)
      if (rules.dropNames || rules.echo !== undefined) this.query = wrapped(this.query.bind(this), rules)
    }
  }
}

function wrapped (query: pg.Client['query'], { dropNames, echo }: ClientRules): pg.Client['query'] {
  const send = query as (...args: unknown[]) => unknown
  const wrapper = (statement: Query, ...rest: unknown[]) => {
    const sent = dropNames && typeof statement === 'object' && statement.name !== undefined
      ? unnamed(statement)
      : statement
    if (echo === undefined) return send(sent, ...rest)
    const startedAt = performance.now()
    const result = send(sent, ...rest)
    const report = () => {
      echo(typeof statement === 'string' ? statement : statement.text, performance.now() - startedAt)
    }
    if (result instanceof Promise) result.then(report, report)
    else report()
    return result
  }
  return wrapper as pg.Client['query']
}

// The config of a repository inherits what it says, so that a copy of it would be empty.
function unnamed (config: QueryConfig): QueryConfig {
  return Object.create(config, { name: { value: undefined } }) as QueryConfig
}

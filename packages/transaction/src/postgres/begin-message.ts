import type { Connection, PoolClient, Submittable } from 'pg'
import { setPipeline } from './held-client.ts'

/** What begins a transaction. */
export interface Begin {
  /** The same for each transaction of a route: BEGIN and its bounds. */
  planned: readonly string[]
  /** Those of one transaction. */
  own: readonly string[]
}

/** What pg's types leave out of a connection: these send their message at once. */
type Messages = Connection & Record<'parse' | 'bind' | 'execute', (message: object) => void>

interface Sent<Answer> {
  begun: Promise<unknown>
  answer: Promise<Answer>
}

/** PostgreSQL's longest name of a statement, in bytes; ours are ASCII. */
const longestName = 63
const prepared = new WeakMap<PoolClient, Set<string>>()

/** Sends BEGIN alone, as one simple query. */
export function sendBegin (client: PoolClient, { planned, own }: Begin): Promise<unknown> {
  return client.query([...planned, ...own].join('; '))
}

/**
 * Sends BEGIN and the first statement in one packet. The one Sync comes behind the statement, as with pgjdbc: should
 * BEGIN be refused the server skips the statement, which would otherwise run, and commit, by itself.
 *
 * @param named the server keeps the planned statements by name, each parsed once for a connection
 * @param send sends the first statement, by extended query
 */
export function sendTogether<Answer> (
  client: PoolClient,
  begin: Begin,
  named: boolean,
  send: () => Promise<Answer>
): Sent<Answer> {
  const { stream } = client.connection
  const message = new BeginMessage(client, begin, named)
  stream.cork()
  try {
    // pg takes queries of another class only where it does not pipeline, and sends the next one at once only where it does.
    setPipeline(client, false)
    const taken = client.query(message)
    setPipeline(client, true)
    // A tracer that adds comments hands pg a copy, which is a query with a Sync: the statement waits for its answer.
    return { begun: message.answered, answer: taken === message ? send() : message.answered.then(send) }
  } finally {
    stream.uncork()
  }
}

/** BEGIN and its settings as one query of pg's, without a Sync. */
class BeginMessage implements Submittable {
  /** For those who log or trace statements. */
  readonly text: string
  readonly answered: Promise<void>
  /** Set below; pg wraps it where queries have a time limit. */
  callback: (error?: Error | null) => void = () => {}
  readonly #client: PoolClient
  readonly #begin: Begin
  readonly #named: boolean
  #left: number

  constructor (client: PoolClient, begin: Begin, named: boolean) {
    this.#client = client
    this.#begin = begin
    this.#named = named
    this.#left = begin.planned.length + begin.own.length
    this.text = [...begin.planned, ...begin.own].join('; ')
    this.answered = new Promise((resolve, reject) => {
      this.callback = (error) => {
        if (error) reject(error)
        else resolve()
      }
    })
  }

  submit (connection: Connection): void {
    const messages = connection as Messages
    for (const text of this.#begin.planned) sendPlanned(messages, text, this.#named ? known(this.#client) : undefined)
    for (const text of this.#begin.own) sendPlanned(messages, text, undefined)
    // Answered before the statement is, however long that takes.
    connection.flush()
  }

  handleCommandComplete (_message: unknown, connection: Connection): void {
    if (--this.#left > 0) return
    if (this.#named) remember(this.#client, this.#begin.planned)
    // The server says that it is ready after the first statement, and pg hands that statement its answers now.
    connection.emit('readyForQuery', { status: 'T' })
  }

  handleReadyForQuery (): void {
    this.callback()
  }

  handleError (error: Error): void {
    this.callback(error)
  }

  /** Rows of `set_config`, which nobody reads. */
  handleRowDescription (): void {}
  handleDataRow (): void {}
}

function sendPlanned (messages: Messages, text: string, parsed: Set<string> | undefined): void {
  const isNamed = parsed !== undefined && text.length <= longestName
  if (!isNamed) messages.parse({ text })
  else if (!parsed.has(text)) messages.parse({ text, name: text })
  messages.bind(isNamed ? { statement: text } : {})
  messages.execute({})
}

/** The statements that a connection keeps, each named by its text. */
function known (client: PoolClient): Set<string> {
  const names = prepared.get(client) ?? new Set()
  prepared.set(client, names)
  return names
}

function remember (client: PoolClient, planned: readonly string[]): void {
  const names = known(client)
  for (const text of planned) names.add(text)
}

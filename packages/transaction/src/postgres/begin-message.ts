import type { Connection, PoolClient, Submittable } from 'pg'
import { setPipeline } from './give-back.ts'

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
const runs = new WeakMap<readonly string[], Buffer>()

/** Sends BEGIN alone, as one simple query. */
export async function sendBegin (client: PoolClient, begin: Begin): Promise<unknown> {
  return await client.query(toText(begin))
}

function toText ({ planned, own }: Begin): string {
  return [...planned, ...own].join('; ')
}

/**
 * Sends BEGIN and the first statement in one packet. The one Sync comes behind the statement, as with pgjdbc: should
 * BEGIN be refused the server skips the statement, which would otherwise run, and commit, by itself. Never throws.
 *
 * @param isNamed the server keeps the planned statements by name, each parsed once for a connection
 * @param send sends the first statement, by extended query; must not throw either
 */
export function sendTogether<Answer> (
  client: PoolClient,
  begin: Begin,
  isNamed: boolean,
  send: (client: PoolClient) => Promise<Answer>
): Sent<Answer> {
  const { connection: { stream }, pipeline } = client
  const message = new BeginMessage(client, begin, isNamed)
  function sendAfter (begun: Promise<void>): Sent<Answer> {
    const answer = begun.then(() => {
      setPipeline(client, pipeline)
      return send(client)
    })
    return { begun, answer }
  }
  stream.cork()
  try {
    // pg takes queries of another class only where it does not pipeline, and sends the next one at once only where it does.
    setPipeline(client, false)
    const taken: unknown = client.query(message)
    if (taken !== message) return sendAfter(untilBegun(client, message, taken))
    setPipeline(client, true)
    return { begun: message.answered, answer: send(client) }
  } catch (error) {
    return sendAfter(untilBegun(client, message, Promise.reject(error as Error)))
  } finally {
    stream.uncork()
  }
}

/**
 * Waits for BEGIN where `query` of the client is a program's own: it may hand pg the message later, or a copy with a
 * comment, which is a query as any other. What it fails with counts only as long as pg has not got the message itself,
 * and what it succeeds with only where the server says that a transaction is open.
 */
async function untilBegun (client: PoolClient, message: BeginMessage, taken: unknown): Promise<void> {
  async function untilTaken (): Promise<void> {
    try {
      await taken
    } catch (error) {
      if (!message.isSent) throw error
    }
    if (message.isSent || client.getTransactionStatus() !== 'T') await message.answered
  }
  await Promise.race([message.answered, untilTaken()])
}

type Callback = (error?: Error | null, result?: unknown) => void

/** BEGIN and its settings as one query of pg's, without a Sync. */
class BeginMessage implements Submittable {
  /** For those who log or trace statements. */
  readonly text: string
  readonly answered: Promise<void>
  /** Called at the end; pg and tracers wrap it, so it must be a property of its own. */
  callback: Callback = () => {}
  /** True once pg has sent it. */
  isSent = false
  readonly #client: PoolClient
  readonly #begin: Begin
  readonly #isNamed: boolean
  readonly #pipelines: boolean
  #left: number

  constructor (client: PoolClient, begin: Begin, isNamed: boolean) {
    this.#client = client
    this.#begin = begin
    this.#isNamed = isNamed && begin.planned.every((text) => text.length <= longestName)
    this.#pipelines = client.pipeline
    this.#left = begin.planned.length + begin.own.length
    this.text = toText(begin)
    this.answered = new Promise((resolve, reject) => {
      this.callback = (error) => {
        if (error) reject(error)
        else resolve()
      }
    })
  }

  /** For those who count the rows of what they have sent. */
  get rows (): unknown[] {
    return []
  }

  submit (connection: Connection): void {
    this.isSent = true
    const messages = connection as Messages
    const { planned, own } = this.#begin
    if (this.#isNamed) sendNamed(messages, planned, getPrepared(this.#client))
    else for (const text of planned) sendUnnamed(messages, text)
    for (const text of own) sendUnnamed(messages, text)
    // Answered before the statement is, however long that takes.
    connection.flush()
  }

  handleCommandComplete (_message: unknown, connection: Connection): void {
    if (--this.#left > 0) return
    if (this.#isNamed) {
      const names = getPrepared(this.#client)
      for (const text of this.#begin.planned) names.add(text)
    }
    // The server says that it is ready after the first statement, and pg hands that statement its answers now.
    connection.emit('readyForQuery', { status: 'T' })
    setPipeline(this.#client, this.#pipelines)
  }

  handleReadyForQuery (): void {
    this.callback(null, this)
  }

  handleError (error: Error): void {
    this.callback(error)
  }

  /** Rows of `set_config`, which nobody reads. */
  handleRowDescription (): void {}
  handleDataRow (): void {}
}

function sendUnnamed (messages: Messages, text: string): void {
  messages.parse({ text })
  messages.bind({})
  messages.execute({})
}

/** Runs statements that are named by their text, and has those parsed before that the connection does not keep yet. */
function sendNamed (messages: Messages, planned: readonly string[], parsed: Set<string>): void {
  for (const text of planned) {
    if (!parsed.has(text)) messages.parse({ text, name: text })
  }
  messages.stream.write(runs.get(planned) ?? recordRuns(messages, planned))
}

/** The bytes that run planned statements: made once for a route. */
function recordRuns (messages: Messages, planned: readonly string[]): Buffer {
  const chunks: Buffer[] = []
  const stream = { writable: true, write: (chunk: Buffer) => chunks.push(chunk) }
  const recorder = Object.create(messages, { stream: { value: stream } }) as Messages
  for (const statement of planned) {
    recorder.bind({ statement })
    recorder.execute({})
  }
  const bytes = Buffer.concat(chunks)
  runs.set(planned, bytes)
  return bytes
}

/** The statements that a connection keeps, each named by its text. */
function getPrepared (client: PoolClient): Set<string> {
  const names = prepared.get(client) ?? new Set()
  prepared.set(client, names)
  return names
}

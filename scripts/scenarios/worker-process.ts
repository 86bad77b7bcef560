import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './checker.ts'
import { TYPESCRIPT_ARGS } from '../typescript.ts'

/** What a worker is asked: the scenario at this place of the list. */
export interface Question {
  at: number
}

/** What a worker says: its system's name once it is ready, then a verdict for each question; or why it cannot. */
export type Reply = { name: string } | { verdict: Verdict } | { refused: string }

const LIMIT_MS = 30_000
const CRASHED: Verdict = { codes: ['X'], detail: 'the process ended' }
const HUNG: Verdict = { codes: ['K'], detail: `no end within ${LIMIT_MS / 1000} s` }

/** A process with one system. A crash or a hang is a verdict, and the next scenario gets a new process. */
export class Worker {
  readonly #arguments: [file: string, databaseUrl: string, mongodbUrl: string]
  #child: ChildProcess | undefined
  #isOver = false
  /** The system's name. */
  name = ''

  /**
   * @param file the system's module
   * @param databaseUrl a database of this worker's own, with the tables of the scenarios
   * @param mongodbUrl a replica set; default: scenarios of both stores are left out
   */
  constructor (file: string, databaseUrl: string, mongodbUrl = '') {
    this.#arguments = [file, databaseUrl, mongodbUrl]
  }

  /** Starts the process unless it runs. Rejects with one line when the system cannot be loaded. */
  async start (): Promise<void> {
    if (this.#isOver) throw new Error('the run is over')
    if (this.#child !== undefined) return
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), this.#arguments, {
      execArgv: TYPESCRIPT_ARGS,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    this.#child = child
    child.stderr?.setEncoding('utf8')
    const reply = await next(child, LIMIT_MS)
    if (typeof reply === 'object' && 'name' in reply) this.name = reply.name
    else {
      throw new Error(
        typeof reply === 'object' && 'refused' in reply ? reply.refused : `${this.#arguments[0]} does not start`
      )
    }
  }

  /** Plays the scenario at a place of the list. */
  async play (at: number): Promise<Verdict> {
    await this.start()
    const child = this.#child as ChildProcess
    let said = ''
    const hear = (text: string): void => {
      said += text
    }
    child.stderr?.on('data', hear)
    child.send({ at } satisfies Question)
    const reply = await next(child, LIMIT_MS)
    child.stderr?.off('data', hear)
    if (typeof reply === 'object') {
      if (!('verdict' in reply)) throw new Error('refused' in reply ? reply.refused : 'the worker answers out of turn')
      // What was left behind must not touch the next scenario.
      if (reply.verdict.codes.includes('K')) await this.#kill()
      return reply.verdict
    }
    await this.#kill()
    return reply === 'hung'
      ? HUNG
      : { ...CRASHED, detail: `${CRASHED.detail}: ${/^\w*Error.*$/m.exec(said)?.[0] ?? 'without a word'}` }
  }

  /** Ends the process, for good. */
  async stop (): Promise<void> {
    this.#isOver = true
    await this.#kill()
  }

  async #kill (): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}

async function next (child: ChildProcess, milliseconds: number): Promise<Reply | 'crashed' | 'hung'> {
  const stop = new AbortController()
  const { signal } = stop
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([reply]) => reply as Reply),
      once(child, 'exit', { signal }).then(() => 'crashed' as const),
      once(AbortSignal.timeout(milliseconds), 'abort', { signal }).then(() => 'hung' as const)
    ])
  } finally {
    stop.abort()
  }
}

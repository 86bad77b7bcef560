import type { FastifyInstance } from 'fastify'
import type { Answer, Sending } from './client.ts'

/** Is the other plugin registered before ours or after it? */
export type Order = 'before' | 'after'

/** An app that listens, with both plugins. */
export interface TestApp {
  app: FastifyInstance
  origin: string
  /** Sends a request with the headers that the trial asks for. */
  send: (sending: Sending) => Promise<Answer>
  /** Ids of the stored rows. */
  stored: () => Promise<number[]>
  /** What is held although nothing should be, in words; waits a moment for it to be given back. Empty: nothing. */
  held: () => Promise<string>
  /** Empties the tables. */
  clean: () => Promise<void>
  /** A sentence when the app does not close. */
  close: () => Promise<string>
}

/** A request, and what must come of it. Tables are empty before each. */
export interface Expectation extends Sending {
  /** What is checked, in a few words. Unique in its trial. */
  name: string
  /** The right status. */
  status: number
  /** Ids of the rows that must be stored in the end, and no others. Default none. */
  stored?: number[]
  /** Looks at the answer as well. Throws a sentence where something is wrong. */
  also?: (answer: Answer, app: TestApp) => unknown
}

/** Several requests, sockets or calls. Throws a sentence where something is wrong. */
export interface Play {
  name: string
  play: (app: TestApp) => Promise<void>
}

export type Check = Expectation | Play

/** One plugin of the ecosystem beside ours. */
export interface Trial {
  /** The package, as the table names it. */
  package: string
  /** Registers it, with what it needs. */
  register: (app: FastifyInstance) => unknown
  /** Headers of every request, for example a token where the plugin asks all routes for one. Default none. */
  headers?: Record<string, string>
  /** Body of the common checks. Default a JSON object. */
  body?: string
  /** Adds routes once both plugins are registered. */
  routes?: (app: FastifyInstance) => void
  /** What is special to this plugin, after the common checks. */
  checks?: Check[]
  /** What a user must know, one line of Markdown. Default nothing. */
  note?: string
  /**
   * Checks that are not right by the plugin's nature, by name, and why; `boot`: the app does not start. Default none.
   */
  explained?: Record<string, string>
}

/** What one check has shown. */
export interface Result {
  name: string
  isRight: boolean
  detail: string
}

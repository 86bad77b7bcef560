import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { Pool } from 'pg'

/** What a statement gives back, as far as the scenarios look at it. */
export interface Rows { rows: Array<Record<string, unknown>> }

/** A way to give each request a transaction. A module for `--app` exports one as `subject`. */
export interface Subject {
  /** Head of its column. */
  name: string
  /**
   * Adds it to an app that has no routes yet. All connections must come from this pool: it is watched for what is left behind.
   * Ending the pool is not asked for.
   */
  register: (app: FastifyInstance, pool: Pool) => unknown
  /** Route options that ask for a transaction, for example `{ config: { transaction: true } }`. Put on every route. Default none. */
  config?: Partial<RouteOptions>
  /**
   * Route options of a serializable transaction whose handler runs again after a conflict. Default: as `config`, and the handler
   * sends SET TRANSACTION itself.
   */
  retried?: Partial<RouteOptions>
  /** Sends one statement in the request's transaction. */
  query: (request: FastifyRequest, text: string, values?: unknown[]) => Promise<Rows>
}

const BUILT_IN = ['this-plugin', 'fastify-postgres', 'plain-hooks']

/** Files of the subjects: ours first, then the foreign ones of `--app`, which are looked for from `folder`. */
export function subjectFiles (apps: string[], folder: string): string[] {
  return [...BUILT_IN.map((name) => path.join(import.meta.dirname, 'subjects', `${name}.ts`)), ...apps.map((file) => path.resolve(folder, file))]
}

/** Loads a subject. Rejects with one line when the module cannot be loaded or exports none. */
export async function loadSubject (file: string): Promise<Subject> {
  const loaded = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw new Error(`${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`)
  }) as { subject?: Partial<Subject> }
  const { subject } = loaded
  if (typeof subject?.name === 'string' && typeof subject.register === 'function' && typeof subject.query === 'function') return subject as Subject
  throw new Error(`${file} must export subject: { name, register (app, pool), config, query (request, text, values) }`)
}

import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { Db, MongoClient } from 'mongodb'
import type { Pool } from 'pg'

/** What a statement gives back, as far as the scenarios look at it. */
export interface Rows {
  rows: Array<Record<string, unknown>>
}

/** What an app may want beside transactions. */
export interface Wishes {
  /** What a request does to its session must not be met by the next one. */
  resetSession?: boolean
}

/** MongoDB, for scenarios of both stores. */
export interface MongoStore {
  client: MongoClient
  db: Db
}

/** How a system writes in both stores. */
export interface Both {
  /** As `register` of the system, with MongoDB. */
  register: (app: FastifyInstance, pool: Pool, mongo: MongoStore) => unknown
  /** As `config` of the system. */
  config: Partial<RouteOptions>
  /** Stores `{ _id: id }` in the collection `item`, in the request's transaction where there is one. */
  insert: (request: FastifyRequest, id: number) => Promise<unknown>
}

/** A way to give each request a transaction. A module for `--app` exports one as `system`. */
export interface System {
  /** Head of its column. */
  name: string
  /**
   * Adds it to an app that has no routes yet. All connections must come from this pool: it is watched for what is left
   * behind. Ending the pool is not asked for.
   */
  register: (app: FastifyInstance, pool: Pool, wishes: Wishes) => unknown
  /**
   * Route options that ask for a transaction, for example `{ config: { transaction: true } }`. Put on every route.
   * Default none.
   */
  config?: Partial<RouteOptions>
  /**
   * Route options of a serializable transaction whose handler runs again after a conflict. Default: as `config`, and
   * the handler sends SET TRANSACTION itself.
   */
  retried?: Partial<RouteOptions>
  /**
   * Route options of a tenant, who must be `app.tenant` to the statements of the transaction. Default: as `config`, and
   * the handler sends set_config itself.
   */
  tenant?: (find: (request: FastifyRequest) => Promise<string>) => Partial<RouteOptions>
  /** Default: scenarios of both stores are left out. */
  both?: Both
  /** The handle that code is given which knows of no transaction. Default: `query`. */
  handle?: (request: FastifyRequest) => { query: (text: string, values: unknown[]) => Promise<unknown> }
  /** Commits now. Default: sends COMMIT. */
  commit?: (request: FastifyRequest) => Promise<unknown>
  /** Sends one statement in the request's transaction. */
  query: (request: FastifyRequest, text: string, values?: unknown[]) => Promise<Rows>
}

const BUILT_IN = [
  new URL('./systems/this-plugin.ts', import.meta.url),
  new URL('./systems/fastify-postgres.ts', import.meta.url),
  new URL('./systems/plain-hooks.ts', import.meta.url)
]

/** Where the command was called; npm changes to the package's folder first. */
function callersFolder (): string {
  return process.env['INIT_CWD'] ?? process.cwd()
}

/** Files of the systems: ours first, then the foreign ones of `--app`. */
export function systemFiles (apps: string[]): string[] {
  return [...BUILT_IN.map((url) => fileURLToPath(url)), ...apps.map((file) => path.resolve(callersFolder(), file))]
}

/** Loads a system. Rejects with one line when the module cannot be loaded or exports none. */
export async function loadSystem (file: string): Promise<System> {
  const loaded = await import(pathToFileURL(file).href).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`${getName(file)} cannot be loaded: ${reason.replace(/ imported from .*/, '')}`)
  }) as { system?: Partial<System> }
  const { system } = loaded
  if (
    typeof system?.name === 'string' && typeof system.register === 'function' && typeof system.query === 'function'
  ) return system as System
  throw new Error(
    `${getName(file)} must export system: { name, register (app, pool), config, query (request, text, values) }`
  )
}

function getName (file: string): string {
  return path.relative(callersFolder(), file)
}

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import autoload from '@fastify/autoload'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import { readSettings, type PluginOptions } from './plugins/config.ts'
import type { Repositories, RepositoryDoubles } from './plugins/repositories/index.ts'
import type { EmbeddedDatabases } from 'dev-databases'
import type { Settings } from './schemas/settings.ts'
import { serverOptions, type LoggerOptions } from './server-options.ts'

/** What `buildApp` can be given; without anything it reads the environment. */
export interface BuildOptions {
  /** Settings that win over the environment. */
  settings?: Partial<Settings>
  /** Log destination of tests, or false for silence. Default: JSON to stdout, pretty on a terminal in development. */
  logger?: LoggerOptions
  /** Build without touching a database, to read routes and schemas. Default false. */
  offline?: boolean
  /** Test doubles, decorated before the plugins that would make the real ones. With one of them no server is started. */
  overrides?: { db?: FastifyInstance['db'], mongo?: FastifyInstance['mongo'], repositories?: RepositoryDoubles }
  /** Told what is going on while embedded databases are downloaded, created or started. */
  onProgress?: (line: string) => void
  /** Adds routes or plugins of a test, after plugins/ and routes/ and before the app is ready. */
  plugins?: (app: App) => Promise<void>
}

/** The service: a Fastify instance whose routes are typed by TypeBox. */
export type App = ReturnType<typeof construct>

/** Files that autoload takes for a plugin. */
const ENTRY = /(^[^\\/]+|[\\/]index)\.[jt]s$/
const ISLANDS = /^(transaction|outbox|change-stream)(\/|$)/

/** Databases that this process has started because no URL was set. */
export type Embedded = Pick<EmbeddedDatabases, 'postgres' | 'mongodb'>

declare module 'fastify' {
  interface FastifyInstance {
    /** Embedded databases in use; empty where URLs were set. */
    embedded: Embedded
    /** Which databases are a test's doubles: nothing follows, relays or watches those. */
    doubles: { db: boolean, mongo: boolean }
  }
}

/**
 * Builds the whole service, ready to be listened on or injected into.
 * @param options settings, doubles and hooks of tests; without them the environment decides
 * @returns the app after `ready()`; close it to stop everything that was started
 * @throws SettingsError when settings are wrong; the error of a database that refuses our credentials
 */
export async function buildApp (options: BuildOptions = {}): Promise<App> {
  const given = readSettings(process.env, options.settings, options.offline)
  const { stop, ...embedded } = await startMissing(given, options)
  const settings = Object.freeze({ ...given, ...urlsOf(embedded) })
  const app = construct(settings, options.logger)
  app.addHook('onClose', stop) // the first hook to be added is the last to run
  try {
    app.decorate('embedded', embedded)
    await load(app, { settings, offline: options.offline ?? false }, options)
    await app.ready()
    return app
  } catch (error) {
    await app.close().catch(() => undefined)
    throw error
  }
}

function construct (settings: Settings, logger: LoggerOptions | undefined) {
  const app = Fastify(serverOptions(settings, logger)).withTypeProvider<TypeBoxTypeProvider>()
  app.removeContentTypeParser('text/plain') // Fastify reads it by default; here a body is JSON
  return app
}

async function load (app: App, pluginOptions: PluginOptions, { overrides = {}, plugins }: BuildOptions): Promise<void> {
  app.decorate('doubles', { db: overrides.db !== undefined, mongo: overrides.mongo !== undefined })
  if (overrides.db !== undefined) app.decorate('db', overrides.db)
  if (overrides.mongo !== undefined) app.decorate('mongo', overrides.mongo)
  if (overrides.repositories !== undefined) app.decorate('repositories', { ...overrides.repositories } as Repositories)
  await app.register(autoload, { dir: join(import.meta.dirname, 'plugins'), ignorePattern: ISLANDS, options: pluginOptions })
  await app.register(autoload, { dir: join(import.meta.dirname, 'routes'), routeParams: true })
  if (plugins !== undefined) await plugins(app)
}

async function startMissing (settings: Settings, { offline, overrides, onProgress }: BuildOptions): Promise<EmbeddedDatabases> {
  const postgres = settings.DATABASE_URL === undefined
  const mongodb = settings.MONGODB_URL === undefined
  if (offline === true || overrides !== undefined || !(postgres || mongodb)) return { stop: async () => {} }
  // Imported only here: a service with both URLs set needs no development package.
  const { startEmbedded } = await import('dev-databases')
  // Databases take as long to start as the plugins to be read; what goes wrong with a plugin is told when it is loaded.
  readAhead().catch(() => undefined)
  return await startEmbedded({ dataDir: settings.DATA_DIR, postgres, mongodb, ...(onProgress === undefined ? {} : { onProgress }) })
}

/** Imports what autoload will import. */
async function readAhead (): Promise<void> {
  for (const folder of ['plugins', 'routes']) {
    const dir = join(import.meta.dirname, folder)
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((file) => ENTRY.test(file))) await import(pathToFileURL(join(dir, file)).href)
  }
}

function urlsOf ({ postgres, mongodb }: Embedded): Partial<Settings> {
  return {
    ...(postgres === undefined ? {} : { DATABASE_URL: postgres.url }),
    ...(mongodb === undefined || mongodb.how === 'missing' ? {} : { MONGODB_URL: mongodb.url })
  }
}

import { join } from 'node:path'
import autoload from '@fastify/autoload'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import { readSettings, type PluginOptions } from './plugins/config.ts'
import type { Repositories, RepositoryDoubles } from './plugins/repositories/index.ts'
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
  /** Test doubles, decorated before the plugins that would make the real ones. With one of them no URL has to be set. */
  overrides?: { db?: FastifyInstance['db'], mongo?: FastifyInstance['mongo'], repositories?: RepositoryDoubles }
  /** Adds routes or plugins of a test, after plugins/ and routes/ and before the app is ready. */
  plugins?: (app: App) => Promise<void>
}

/** The service: a Fastify instance whose routes are typed by TypeBox. */
export type App = ReturnType<typeof construct>

// Packages that live beside the plugins for now; autoload leaves them to the plugins that register them.
const PACKAGES = /^(transaction|outbox|change-stream)(\/|$)/

declare module 'fastify' {
  interface FastifyInstance {
    /** Which databases are a test's doubles: nothing follows, relays or watches those. */
    doubles: { db: boolean, mongo: boolean }
  }
}

/**
 * Builds the whole service, ready to be listened on or injected into.
 * @param options settings, doubles and hooks of tests; without them the environment decides
 * @returns the app after `ready()`; close it to end its connections
 * @throws SettingsError when settings are wrong; the error of a database that refuses our credentials
 */
export async function buildApp (options: BuildOptions = {}): Promise<App> {
  const { offline = false, overrides } = options
  const settings = readSettings(process.env, options.settings, offline ? 'none' : overrides === undefined ? 'given' : 'started')
  const app = construct(settings, options.logger)
  try {
    await load(app, { settings, offline }, options)
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
  await app.register(autoload, { dir: join(import.meta.dirname, 'plugins'), ignorePattern: PACKAGES, options: pluginOptions })
  await app.register(autoload, { dir: join(import.meta.dirname, 'routes'), routeParams: true })
  if (plugins !== undefined) await plugins(app)
}

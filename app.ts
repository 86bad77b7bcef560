import type { Server } from 'node:http'
import { join } from 'node:path'
import autoload from '@fastify/autoload'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify'
import { readSettings, type PluginOptions } from './plugins/config.ts'
import { answerClientError } from './plugins/errors/client-error.ts'
import { answerError } from './plugins/errors/index.ts'
import { requestId } from './plugins/errors/request-id.ts'
import { formatters, hideInChildren, redact, serializers } from './plugins/errors/serializers.ts'
import type { Repositories, RepositoryDoubles } from './plugins/repositories/index.ts'
import { buildValidator } from './plugins/validation/compiler.ts'
import { buildSerializer } from './plugins/validation/serializer.ts'
import type { Settings } from './schemas/settings.ts'

/** Where the log goes: a stream that receives JSON lines, or false for nowhere. */
export type LoggerOptions = false | { level?: Settings['LOG_LEVEL']; stream?: { write: (line: string) => void } }

/** What `buildApp` can be given; without anything it reads the environment. */
export interface BuildOptions {
  /** Settings that win over the environment. */
  settings?: Partial<Settings>
  /** Log destination of tests, or false for silence. Default: JSON to stdout, pretty on a terminal in development. */
  logger?: LoggerOptions
  /** Build without touching a database, to read routes and schemas. Default false. */
  offline?: boolean
  /**
   * Test doubles, decorated before the plugins that would make the real ones. With one of them no URL has to be set.
   */
  overrides?: { db?: FastifyInstance['db']; mongo?: FastifyInstance['mongo']; repositories?: RepositoryDoubles }
  /** Adds routes or plugins of a test, after plugins/ and routes/ and before the app is ready. */
  plugins?: (app: App) => Promise<void>
}

/** The service: a Fastify instance whose routes are typed by TypeBox. */
export type App = ReturnType<typeof construct>

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const CHECK_INTERVAL_MS = 1000

// Functions that plugins share: no plugins themselves.
const NO_PLUGINS = /^common(\/|$)/

declare module 'fastify' {
  interface FastifyInstance {
    /** What is a test's double: nothing follows, relays or watches such databases. */
    doubles: { db: boolean; mongo: boolean; repositories: boolean }
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
  const settings = readSettings(
    process.env,
    options.settings,
    offline ? 'none' : overrides === undefined ? 'given' : 'started'
  )
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
  hideInChildren(app.log)
  app.removeContentTypeParser('text/plain') // Fastify reads it by default; here a body is JSON
  return app
}

async function load (app: App, pluginOptions: PluginOptions, { overrides = {}, plugins }: BuildOptions): Promise<void> {
  const { db, mongo, repositories } = overrides
  app.decorate('doubles', {
    db: db !== undefined,
    mongo: mongo !== undefined,
    repositories: repositories !== undefined
  })
  if (db !== undefined) app.decorate('db', db)
  if (mongo !== undefined) app.decorate('mongo', mongo)
  if (repositories !== undefined) app.decorate('repositories', { ...repositories } as Repositories)
  // A plugin is a file of plugins/, or the index of a folder in it; what lies deeper belongs to that index.
  await app.register(autoload, {
    dir: join(import.meta.dirname, 'plugins'),
    maxDepth: 1,
    ignorePattern: NO_PLUGINS,
    options: pluginOptions
  })
  await app.register(autoload, { dir: join(import.meta.dirname, 'routes'), routeParams: true })
  if (plugins !== undefined) await plugins(app)
}

function serverOptions (settings: Settings, logger: LoggerOptions | undefined) {
  return {
    logger: loggerOptions(settings, logger),
    genReqId: requestId,
    ...(settings.TRUST_PROXY === undefined ? {} : { trustProxy: settings.TRUST_PROXY }),
    bodyLimit: 1_048_576,
    pluginTimeout: 60_000,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1000 },
    // Node compares these once per interval, and a request timeout below the headers timeout never fires. A request
    // without Host is refused by plugins/errors, because Node would answer it without a body.
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      requireHostHeader: false
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A reader that takes nothing for this long is cut off; longer than any handler may work in silence.
    connectionTimeout: settings.HANDLER_TIMEOUT_MS * 2 + REQUEST_TIMEOUT_MS,
    // Longer than the idle time of common load balancers, so that they are the ones to close.
    keepAliveTimeout: 72_000,
    // A request that still arrives on an open connection is answered, and told that the connection closes.
    return503OnClosing: false,
    frameworkErrors: (...args) => {
      answerError(...args)
    },
    clientErrorHandler: answerClientError,
    schemaController: { compilersFactory: { buildValidator, buildSerializer } }
  } satisfies FastifyHttpOptions<Server>
}

function loggerOptions (settings: Settings, logger: LoggerOptions | undefined) {
  if (logger === false) return false
  const pretty = logger?.stream === undefined && settings.NODE_ENV === 'development' && process.stdout.isTTY
  return {
    level: logger?.level ?? settings.LOG_LEVEL,
    serializers,
    formatters,
    redact,
    ...(logger?.stream === undefined ? {} : { stream: logger.stream }),
    ...(pretty ? { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } } : {})
  }
}

import type { Server } from 'node:http'
import AjvCompiler from '@fastify/ajv-compiler'
import type { FastifyHttpOptions } from 'fastify'
import { answerClientError } from './plugins/errors/client-error.ts'
import { answerError } from './plugins/errors/index.ts'
import { requestId } from './plugins/errors/request-id.ts'
import { redact, serializers } from './plugins/errors/serializers.ts'
import type { Settings } from './schemas/settings.ts'

/** Where the log goes: a stream that receives JSON lines, or false for nowhere. */
export type LoggerOptions = false | { level?: Settings['LOG_LEVEL'], stream?: { write: (line: string) => void } }

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const CHECK_INTERVAL_MS = 1000

/**
 * What Fastify is constructed with.
 * @param settings settings of the service
 * @param logger destination of the log
 */
export function serverOptions (settings: Settings, logger: LoggerOptions | undefined) {
  return {
    logger: loggerOptions(settings, logger),
    genReqId: requestId,
    ...(settings.TRUST_PROXY === undefined ? {} : { trustProxy: settings.TRUST_PROXY }),
    bodyLimit: 1_048_576,
    pluginTimeout: 60_000,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1000 },
    // Node compares these once per interval, and a request timeout below the headers timeout never fires. A request without
    // Host is refused by plugins/errors, because Node would answer it without a body.
    http: { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: CHECK_INTERVAL_MS, requireHostHeader: false },
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A reader that takes nothing for this long is cut off; longer than any handler may work in silence.
    connectionTimeout: settings.HANDLER_TIMEOUT_MS * 2 + REQUEST_TIMEOUT_MS,
    // Longer than the idle time of common load balancers, so that they are the ones to close.
    keepAliveTimeout: 72_000,
    // A request that still arrives on an open connection is answered, and told that the connection closes.
    return503OnClosing: false,
    frameworkErrors: (...args) => { answerError(...args) },
    clientErrorHandler: answerClientError,
    schemaController: { compilersFactory: { buildValidator } }
  } satisfies FastifyHttpOptions<Server>
}

type Factory = ReturnType<typeof AjvCompiler>
const ajv = AjvCompiler()
const common = { removeAdditional: false, useDefaults: true, allErrors: true, strict: true } as const

// A body is taken as it is; path, query and headers are text, so they are coerced.
const buildValidator: Factory = (externalSchemas) => {
  const body = ajv(externalSchemas, { customOptions: { ...common, coerceTypes: false } })
  // With strictNumbers Ajv skips the bounds of what is not finite, and the text "Infinity" would be a valid integer.
  const text = ajv(externalSchemas, { customOptions: { ...common, coerceTypes: 'array', strictNumbers: false } })
  return ((route: { httpPart?: string }) => (route.httpPart === 'body' ? body : text)(route)) as ReturnType<Factory>
}

function loggerOptions (settings: Settings, logger: LoggerOptions | undefined) {
  if (logger === false) return false
  const pretty = logger?.stream === undefined && settings.NODE_ENV === 'development' && process.stdout.isTTY
  return {
    level: logger?.level ?? settings.LOG_LEVEL,
    serializers,
    redact,
    ...(logger?.stream === undefined ? {} : { stream: logger.stream }),
    ...(pretty ? { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } } : {})
  }
}

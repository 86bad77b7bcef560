import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Driver } from '../core/driver.ts'
import { TransactionUsageError } from '../errors.ts'
import { sqlOnlyOptions } from '../mongo/driver.ts'
import { withoutUndefined } from '../options/checks.ts'
import type { CrossStore, RouteTransactionOptions } from '../options/route-options.ts'
import { optionMistakes } from '../options/route-options.ts'

/** A route's transaction as settled at boot. */
export interface TransactionRoute {
  /** `POST /orders` */
  name: string
  options: RouteTransactionOptions
  driver: Driver
  plan: unknown
  /** True for `transaction: 'statement'`. */
  isSingleStatement?: boolean
  /** The handler as Fastify will call it, once the route is declared. */
  handler?: () => (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) => unknown
  /** The log has said why retries are off. */
  isRetryLogged?: boolean
}

/** What the plugin knows when a route is declared. */
export interface RouteContext {
  /** The plugin option `name`; undefined for the one without. */
  instance: string | undefined
  methods: string[]
  /** The route is the HEAD that Fastify adds to a GET which has a transaction of this instance. */
  isHeadOfPlanned: boolean
  defaults: RouteTransactionOptions
  drivers: Drivers
}

/** The stores of a plugin instance; `statement` is the SQL store without BEGIN and COMMIT. */
export interface Drivers {
  sql: Driver | undefined
  statement: Driver | undefined
  mongo: Driver | undefined
  /** Both stores with one outcome. */
  twoPhase: Driver | undefined
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Gives each request of this route a transaction of its own; `false` opts out of the plugin's `methods`.
     * `'statement'`: the handler sends one statement, which commits by itself without BEGIN and COMMIT.
     */
    transaction?: boolean | 'statement' | (RouteTransactionOptions & { name?: string } & object)
  }
}

/**
 * Checks what a route declares and plans its transaction; undefined when it has none of this plugin instance.
 * Throws a sentence naming route and option.
 */
export function planRoute (route: RouteOptions, context: RouteContext): TransactionRoute | undefined {
  const declared: unknown = route.config?.transaction
  const methods = [route.method].flat()
  const name = `${methods.join('|')} ${route.url}`
  if (!isOfInstance(declared, context.instance)) return undefined
  const isOn = declared ?? (context.isHeadOfPlanned || methods.some((method) => context.methods.includes(method)))
  if (isOn === false) return undefined
  if (isOn === 'statement') return planStatement(name, route, context)
  const { name: _instance, ...own } = (typeof isOn === 'object' ? isOn : {}) as RouteTransactionOptions & {
    name?: string
  }
  return plan(name, withoutUndefined(own), context)
}

/** A route says by `name` which plugin instance it means; one that says nothing may be meant by its method. */
function isOfInstance (declared: unknown, instance: string | undefined): boolean {
  if (declared === undefined) return true
  const { name } = Object(declared) as { name?: unknown }
  return name === instance
}

/** Bounds of requests where neither route nor plugin says otherwise, in milliseconds. */
const SAFE_DEFAULTS = { deadline: 15_000 }
/** A streamed reply takes as long as its reader needs, so only a standstill is bounded. */
const STREAM_DEFAULTS = { streamIdleTimeout: 15_000 }

function plan (name: string, own: RouteTransactionOptions, context: RouteContext): TransactionRoute {
  const store = own.store ?? (own.crossStore === 'two-phase' ? undefined : context.defaults.store) ?? 'sql'
  const isStream = own.stream ?? context.defaults.stream ?? false
  // The deadline of a stream must be the route's own.
  const bounds = isStream
    ? { ...STREAM_DEFAULTS, ...context.defaults, deadline: 0 }
    : { ...SAFE_DEFAULTS, ...context.defaults }
  const options = { ...bounds, ...own, store }
  const mistakes = optionMistakes(own, 'route')
  if (mistakes.length === 0) mistakes.push(...optionMistakes(options, 'route'))
  if (store === 'mongo') {
    mistakes.push(...sqlOnlyOptions(own).map((option) => `${option} is an option of the sql store`))
  }
  if (mistakes.length > 0) throw refusal(name, mistakes.join('; '))
  const driver = findDriver(options, context.drivers)
  if (typeof driver === 'string') throw refusal(name, driver)
  try {
    return { name, options, driver, plan: driver.plan(options) }
  } catch (error) {
    throw refusal(name, error instanceof Error ? error.message : String(error))
  }
}

/** The driver of a transaction, or why there is none. */
export function findDriver (
  { store = 'sql', crossStore }: { store?: 'sql' | 'mongo'; crossStore?: CrossStore | undefined },
  drivers: Drivers
): Driver | string {
  if (crossStore !== 'two-phase') return drivers[store] ?? missingStore(store, drivers)
  return drivers.twoPhase ??
    "crossStore: 'two-phase' needs the plugin options pool and mongo: PostgreSQL, since no other SQL store can prepare a transaction, and MongoDB"
}

/** What to say where a transaction would live in a store that the plugin was not given. */
function missingStore (store: 'sql' | 'mongo', { sql, mongo }: Drivers): string {
  if (store === 'sql' && mongo !== undefined) {
    return "store 'sql', the default, needs the plugin option pool, and the plugin was given only mongo; write store: 'mongo', here or in the plugin's defaults"
  }
  const alternative = store === 'mongo' && sql !== undefined
    ? '; leave store out for a transaction of the sql store'
    : ''
  return `store '${store}' needs the plugin option ${store === 'sql' ? 'pool' : 'mongo'}${alternative}`
}

function planStatement (name: string, route: RouteOptions, { drivers, defaults }: RouteContext): TransactionRoute {
  if (drivers.statement === undefined) throw refusal(name, "'statement' needs the plugin option pool")
  if (!hasSuccessSchema(route)) {
    throw refusal(
      name,
      "'statement' needs a response schema of its success, for example 200 or 2xx: a reply that cannot be serialized would come too late"
    )
  }
  const { deadline = SAFE_DEFAULTS.deadline, settings } = defaults
  if (settings !== undefined) {
    throw refusal(
      name,
      "'statement' has no BEGIN to carry the settings of the plugin's defaults; declare transaction: true"
    )
  }
  const options = { store: 'sql', deadline } as const
  return { name, options, driver: drivers.statement, plan: drivers.statement.plan(options), isSingleStatement: true }
}

/** Whether a schema serializes what the route answers where its statement has committed. */
function hasSuccessSchema ({ schema }: RouteOptions): boolean {
  const responses: Record<string, unknown> = { ...Object((Object(schema) as { response?: unknown }).response) }
  return Object.keys(responses).some((status) =>
    typeof responses[status] === 'object' && responses[status] !== null && /^([23](\d\d|xx)|default)$/i.test(status)
  )
}

function refusal (name: string, sentence: string): TransactionUsageError {
  return new TransactionUsageError(`config.transaction of ${name}: ${sentence}`)
}

/** What OpenAPI says about the route: everything declared, functions only by name. */
export function describeRoute (route: TransactionRoute): Record<string, unknown> {
  const { settings, ...options } = route.options
  if (route.isSingleStatement === true) return { ...options, statement: true }
  return settings === undefined ? options : { ...options, settings: true }
}

/** How logs and `application_name` call one request. */
export function getLabel (prefix: string, route: TransactionRoute, request: FastifyRequest): string {
  return `${prefix}${route.name} ${request.id}`
}

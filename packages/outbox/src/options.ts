import { OutboxError } from './errors.ts'

/** Says what a value must be, in words that follow the option's name; undefined when it is. */
type Check = (value: unknown) => string | undefined
type Checks = Readonly<Record<string, Check>>

/** Milliseconds that a timer of Node's can wait, and PostgreSQL too: 23 days. */
const MOST = 2_000_000_000

const isWhole = (from: number): Check => (value) =>
  Number.isSafeInteger(value) && Number(value) >= from && Number(value) <= MOST
    ? undefined
    : `must be a whole number from ${from}${typeof value === 'number' && value > MOST ? ` to ${MOST}` : ''}, not ${
      describe(value)
    }`
const isBoolean: Check = (value) =>
  typeof value === 'boolean' ? undefined : `must be true or false, not ${describe(value)}`
export const isFunction: Check = (value) =>
  typeof value === 'function' ? undefined : `must be a function, not ${describe(value)}`
export const isAnything: Check = () => undefined

const ofTopic: Checks = {
  ordered: isBoolean,
  bothEnds: isBoolean,
  batchSize: isWhole(1),
  maxAttempts: isWhole(1),
  applyTimeout: isWhole(1)
}

/** The options of the plugin, and those that Fastify itself takes with every plugin. */
const ofPlugin: Checks = {
  store: isAnything,
  relay: isBoolean,
  ...ofTopic,
  pollInterval: isWhole(1),
  measureInterval: isWhole(0),
  stopTimeout: isWhole(1),
  isTransient: isFunction
}
const ofFastify = ['prefix', 'logLevel', 'logSerializers']

/**
 * Options of the plugin, of `on`, of a store and of a projection: refused where one is unknown or of another kind.
 * @returns those that are given: one that is undefined is not, so that its default holds
 * @throws OutboxError `OUTBOX_USAGE`
 */
export function takePluginOptions<Options extends object> (options: Options): Options {
  return takeOptions('fastify-outbox', options, ofPlugin, ofFastify)
}

/** The same for the options of a topic. */
export function takeTopicOptions<Options extends object> (topic: string, options: Options): Options {
  return takeOptions(`outbox.on('${topic}')`, options, { ...ofTopic, shows: isFunction })
}

/**
 * The same for other options.
 * @param of what takes them
 * @param known how each is checked
 * @param silent those that others read
 */
export function takeOptions<Options extends object> (
  of: string,
  options: Options,
  known: Checks,
  silent: string[] = []
): Options {
  if (typeof options !== 'object' || options === null) {
    throw usage(`${of} takes its options as an object, not ${describe(options)}`)
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    if (silent.includes(name)) continue
    const check = Object.hasOwn(known, name) ? known[name] : undefined
    if (check === undefined) {
      throw usage(`${name} is no option of ${of}; its options are ${Object.keys(known).join(', ')}`)
    }
    const mistake = check(value)
    if (mistake !== undefined) throw usage(`the option ${name} ${mistake}`)
  }
  return Object.fromEntries(given) as Options
}

/** What a value is. Texts and objects may hold a secret and are not shown. */
function describe (value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') {
    return String(value)
  }
  return typeof value === 'string' ? 'a text' : Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`
}

function usage (message: string): OutboxError {
  return new OutboxError('OUTBOX_USAGE', message)
}

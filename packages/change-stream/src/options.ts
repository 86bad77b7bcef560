import { ChangeStreamError } from './errors.ts'

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
const isFunction: Check = (value) =>
  typeof value === 'function' ? undefined : `must be a function, not ${describe(value)}`
const isAnything: Check = () => undefined

const isList: Check = (value) => Array.isArray(value) ? undefined : `must be a list, not ${describe(value)}`

/** The options of the plugin, and those that Fastify itself takes with every plugin. */
const ofPlugin: Checks = {
  store: isAnything,
  follow: isBoolean,
  batchSize: isWhole(1),
  awaitTime: isWhole(1),
  applyTimeout: isWhole(1),
  saveInterval: isWhole(1),
  measureInterval: isWhole(0),
  stopTimeout: isWhole(1)
}
const ofFastify = ['prefix', 'logLevel', 'logSerializers']

const lookups = ['default', 'updateLookup', 'required', 'whenAvailable']
const ofStream: Checks = {
  collection: isFunction,
  apply: isFunction,
  copy: isFunction,
  copyPages: isFunction,
  copyFrom: isFunction,
  pipeline: (value) => isList(value) ?? keepsId(value as unknown[]),
  fullDocument: (value) =>
    typeof value === 'string' && lookups.includes(value) ? undefined : `must be one of ${lookups.join(', ')}`
}

/** A stage that takes the position out of each change would have MongoDB end the stream at the first one. */
function keepsId (stages: unknown[]): string | undefined {
  const takesIt = stages.some((stage) => {
    const { $project, $unset } = Object(stage) as { $project?: unknown; $unset?: unknown }
    const { _id } = Object($project) as { _id?: unknown }
    return _id === 0 || _id === false || [$unset].flat().includes('_id')
  })
  return takesIt ? 'must leave _id where it is: it is the position of a change' : undefined
}

/**
 * Options of the plugin: refused where one is unknown or of another kind.
 * @returns those that are given: one that is undefined is not, so that its default holds
 * @throws ChangeStreamError `CHANGE_STREAM_USAGE`
 */
export function takePluginOptions<Options extends object> (options: Options): Options {
  return take('fastify-change-stream', options, ofPlugin, ofFastify)
}

/** The same for the options of a stream. */
export function takeStreamOptions<Options extends object> (stream: string, options: Options): Options {
  const given = take(`changeStream.follow('${stream}')`, options, ofStream)
  const missing = ['collection', 'apply', 'copy'].find((name) => !Object.hasOwn(given, name))
  if (missing !== undefined && !(missing === 'copy' && 'copyPages' in given)) {
    throw usage(`changeStream.follow('${stream}') needs the options collection, apply and copy: ${missing} is missing`)
  }
  return given
}

/** The same for the options of a store. */
export function takeStoreOptions<Options extends object> (store: string, options: Options): Options {
  return take(store, options, { table: isAnything })
}

function take<Options extends object> (of: string, options: Options, known: Checks, silent: string[] = []): Options {
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

function usage (message: string): ChangeStreamError {
  return new ChangeStreamError('CHANGE_STREAM_USAGE', message)
}

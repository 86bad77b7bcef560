import { isIP } from 'node:net'
import AjvCompiler from '@fastify/ajv-compiler'
import fp from 'fastify-plugin'
import { parseHosts } from '../drizzle/hosts/parse.ts'
import { SettingsSchema, type ReadSettings, type Settings } from '../schemas/settings.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Settings read from the environment, validated and frozen. */
    config: Settings
    /** True when no database may be touched: the OpenAPI document is being written. */
    offline: boolean
  }
}

type Raw = Record<string, unknown>
interface SchemaError {
  instancePath: string
  keyword: string
  params: Record<string, unknown>
}

const SECRET = new Set(['DATABASE_URL', 'MONGODB_URL'])
const BOUNDS = [
  'DATABASE_LOCK_TIMEOUT_MS',
  'DATABASE_STATEMENT_TIMEOUT_MS',
  'DATABASE_TRANSACTION_TIMEOUT_MS',
  'HANDLER_TIMEOUT_MS'
] as const
// Ajv would compile the schema of schemas to compare ours with it, which takes longer than all else of the settings.
const customOptions = {
  allErrors: true,
  removeAdditional: true,
  useDefaults: true,
  coerceTypes: true,
  validateSchema: false
}
const settingsSchema = { ...SettingsSchema, additionalProperties: false }
const checkSettings = AjvCompiler()({}, { customOptions })({ schema: settingsSchema, method: '', url: '' })
// Names that Fastify knows for networks.
const NETWORKS = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** Thrown when settings are wrong: `lines` has one sentence for each, none of them shows a secret. */
export class SettingsError extends Error {
  readonly code = 'SETTINGS_INVALID'
  readonly lines: string[]

  constructor (lines: string[]) {
    super(lines.join('\n'))
    this.name = 'SettingsError'
    this.lines = lines
  }
}

/**
 * Where databases come from. `given`: by URL, of which MongoDB's may be missing outside production; `started`: by URL,
 * or from the caller, except in production; `none`: no database is used.
 */
export type DatabaseUse = 'given' | 'started' | 'none'

/**
 * Reads and checks all settings at once.
 * @param environment variables; empty ones count as unset
 * @param overrides values that win over the environment
 * @param databases whether their URLs have to be there
 * @returns the frozen settings
 * @throws SettingsError naming every wrong setting
 */
export function readSettings (
  environment: Raw,
  overrides: Partial<Settings> = {},
  databases: DatabaseUse = 'started'
): Settings {
  const raw: Raw = { ...withoutEmpty(environment), ...overrides }
  const { values, errors } = validate(raw)
  const wrong = new Set(errors.map(getName))
  const lines = [
    ...[...wrong].map((name) => describe(name, raw[name])),
    ...contradictions(values, databases).filter(({ names }) => !names.some((name) => wrong.has(name))).map(({ line }) =>
      line
    )
  ]
  if (lines.length > 0) throw new SettingsError(lines)
  const production = values.NODE_ENV === 'production'
  return Object.freeze({
    ...values,
    ADMIN_HOST: values.ADMIN_HOST ?? values.HOST,
    DOCS: values.DOCS ?? !production,
    SHUTDOWN_DELAY_MS: values.SHUTDOWN_DELAY_MS ?? (production ? 5000 : 0),
    LIST_CONCURRENCY: values.LIST_CONCURRENCY ?? (production ? 8 : 0),
    SEED: values.SEED ?? values.NODE_ENV === 'development'
  })
}

/**
 * The settings as they may be logged: where the databases are, without users, passwords and options.
 * @param settings settings of the service
 */
export function maskSettings ({ DATABASE_URL, MONGODB_URL, ...rest }: Settings): Raw {
  return {
    ...rest,
    ...(DATABASE_URL === undefined ? {} : { DATABASE_AT: maskUrl(DATABASE_URL) }),
    ...(MONGODB_URL === undefined ? {} : { MONGODB_AT: maskUrl(MONGODB_URL) })
  }
}

/**
 * Host and database of a connection URL, nothing else.
 * @param url a connection URL, also one with several hosts
 * @returns for example `db.example.com:5432/app`
 */
export function getPlace (url: string): string {
  // A password may hold any character unencoded, so everything up to the last @ is left out.
  const rest = url.slice(Math.max(url.lastIndexOf('@') + 1, getScheme(url).length))
  return rest.replace(/\?.*$/, '')
}

/**
 * A connection URL without user, password and options.
 * @param url a connection URL
 */
export function maskUrl (url: string): string {
  return getScheme(url) + getPlace(url)
}

function getScheme (url: string): string {
  return /^[a-z+]+:\/\//.exec(url)?.[0] ?? ''
}

function withoutEmpty (environment: Raw): Raw {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== '' && value !== undefined))
}

// Wrong settings are left out of a second pass, so that the remaining ones can still be compared.
function validate (raw: Raw): { values: ReadSettings; errors: SchemaError[] } {
  const { values, errors } = read(raw)
  if (errors.length === 0) return { values, errors }
  const wrong = new Set(errors.map(getName))
  const rest = Object.fromEntries(Object.entries(raw).filter(([name]) => !wrong.has(name)))
  return { values: read(rest).values, errors }
}

function read (raw: Raw): { values: ReadSettings; errors: SchemaError[] } {
  const values = { ...raw }
  const isValid = checkSettings(values)
  return { values: values as ReadSettings, errors: isValid === true ? [] : checkSettings.errors as SchemaError[] }
}

function getName (error: SchemaError): string {
  return error.instancePath.slice(1)
}

function describe (name: string, value: unknown): string {
  const shown = SECRET.has(name) ? '' : `, not ${JSON.stringify(value)}`
  return `${name} must be ${expected(name)}${shown}`
}

function expected (name: string): string {
  const schema: Raw | undefined = SettingsSchema.properties[name as keyof typeof SettingsSchema.properties]
  if (schema?.enum instanceof Array) return `one of ${schema.enum.join(', ')}`
  if (schema?.type === 'boolean') return 'true or false'
  if (schema?.type === 'integer') return `a whole number from ${String(schema.minimum)} to ${String(schema.maximum)}`
  if (name === 'DATABASE_URL') return 'postgres://user:password@host:port/database, file:path or :memory:'
  if (name === 'MONGODB_URL') return 'mongodb://user:password@host:port/ or mongodb+srv://…'
  if (name === 'MONGODB_DATABASE') return 'a name of 1 to 63 letters, digits, _ or -'
  return 'a text that is not empty'
}

interface Contradiction {
  names: string[]
  line: string
}

function contradictions (settings: ReadSettings, databases: DatabaseUse): Contradiction[] {
  return [...missingDatabases(settings, databases), ...boundsOutOfOrder(settings), ...wrongAddresses(settings)]
}

function missingDatabases (settings: ReadSettings, databases: DatabaseUse): Contradiction[] {
  const isProduction = settings.NODE_ENV === 'production'
  if (isProduction && databases !== 'none') {
    return (['DATABASE_URL', 'MONGODB_URL'] as const).filter((name) => settings[name] === undefined).map((name) => ({
      names: [name, 'NODE_ENV'],
      line: `${name} must be set when NODE_ENV is production: only in development does npm start start databases`
    }))
  }
  if (isProduction || databases !== 'given' || settings.DATABASE_URL !== undefined) return []
  return [{
    names: ['DATABASE_URL'],
    line: 'DATABASE_URL must be set: npm start starts a PostgreSQL by itself, nothing else does'
  }]
}

function boundsOutOfOrder (settings: ReadSettings): Contradiction[] {
  return BOUNDS.flatMap((inner, at) => {
    const outer = BOUNDS[at + 1]
    if (outer === undefined || settings[inner] < settings[outer]) return []
    const values = `${inner} (${settings[inner]}) must be smaller than ${outer} (${settings[outer]})`
    return [{ names: [inner, outer], line: `${values}: each wait ends before the one around it` }]
  })
}

function wrongAddresses ({ DATABASE_URL, TRUST_PROXY, ADMIN_PORT, PORT }: ReadSettings): Contradiction[] {
  const found: Contradiction[] = []
  const wrongHosts = DATABASE_URL?.startsWith('postgres') === true ? describeHosts(DATABASE_URL) : undefined
  if (wrongHosts !== undefined) found.push({ names: ['DATABASE_URL'], line: wrongHosts })
  if (TRUST_PROXY !== undefined && !TRUST_PROXY.split(',').every(isNetwork)) {
    const wanted = 'the addresses or networks of your proxies, separated by commas, such as 10.1.2.3 or 10.0.0.0/8'
    found.push({ names: ['TRUST_PROXY'], line: `TRUST_PROXY must be ${wanted}, not ${JSON.stringify(TRUST_PROXY)}` })
  }
  if (ADMIN_PORT !== undefined && ADMIN_PORT !== 0 && ADMIN_PORT === PORT) {
    found.push({
      names: ['ADMIN_PORT', 'PORT'],
      line: `ADMIN_PORT and PORT are both ${PORT}: give the admin listener a port of its own`
    })
  }
  return found
}

/** What is wrong with a URL of PostgreSQL; undefined where each of its hosts could be asked for. */
function describeHosts (url: string): string | undefined {
  try {
    const { hosts, rest } = parseHosts(url)
    if (hosts.every((host) => host.host === '' || host.host.startsWith('/') || URL.canParse(rest(host)))) {
      return undefined
    }
  } catch (error) {
    return error instanceof Error ? error.message : undefined
  }
  return 'DATABASE_URL is not a valid URL: characters such as / ? # @ in user or password must be percent-encoded'
}

// A number of hops, or true, would believe whoever reaches the port directly.
function isNetwork (text: string): boolean {
  const [address = '', length, ...more] = text.trim().split('/')
  if (length === undefined) return NETWORKS.has(address) || isIP(address) !== 0
  const bits = isIP(address) === 4 ? 32 : 128
  return isIP(address) !== 0 && /^[1-9]\d{0,2}$/.test(length) && Number(length) <= bits && more.length === 0
}

/** Options that `buildApp` hands to every plugin of this folder. */
export interface PluginOptions {
  settings: Settings
  offline: boolean
}

/** Decorates `app.config` and `app.offline` with what `buildApp` was given. */
export default fp<PluginOptions>(async function config (app, { settings, offline }) {
  app.decorate('config', settings)
  app.decorate('offline', offline)
}, { name: 'config', fastify: '5.x' })

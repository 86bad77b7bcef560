import { getCauses } from '../common/causes.ts'
import { getPlace } from '../config.ts'
import { serializers } from './serializers.ts'

type Fault = Error & Record<string, unknown>
interface Place {
  DATABASE_URL?: string | undefined
  MONGODB_URL?: string | undefined
  HOST?: string | undefined
  PORT?: string | number | undefined
}

const NO_ANSWER = /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/

/**
 * Says in one line each what keeps the service from starting, and what to do. Names hosts and databases, never
 * passwords.
 * @param error what `buildApp` or `listen` threw
 * @param place settings or environment the service was started with
 * @returns lines for the terminal
 */
export function explainBoot (error: unknown, place: Place): string[] {
  for (const cause of getCauses(error)) {
    const lines = findLines(cause, place)
    if (lines !== undefined) return lines
  }
  const { message, stack } = serializers.err(error)
  return [`The service cannot start: ${message}`, stack]
}

function findLines (error: Fault, place: Place): string[] | undefined {
  const code = typeof error.code === 'string' || typeof error.code === 'number' ? String(error.code) : ''
  if (error.lines instanceof Array) return error.lines as string[]
  if (
    error.name === 'EmbeddedError' || code.startsWith('MIGRATION_') ||
    /^(SQLITE_FILE|SQL_SCHEMA|PAIR_REFUSED|HOSTS_INVALID)$/.test(code)
  ) {
    return [error.message]
  }
  const line = listenLine(error, code, place) ?? postgresLine(error, code, place) ?? mongoLine(error, code, place)
  return line === undefined ? undefined : [line]
}

function listenLine (error: Fault, code: string, { HOST, PORT }: Place): string | undefined {
  if (error.syscall !== 'listen' && error.syscall !== 'getaddrinfo') return undefined
  const port = Number(error.port ?? PORT ?? 3000)
  if (code === 'EADDRINUSE') {
    return `Port ${port} is taken: stop what listens there, or choose another: PORT=${port + 1} npm start`
  }
  if (code === 'EACCES') return `Not allowed to listen on port ${port}: choose one above 1023: PORT=3000 npm start`
  if (error.syscall === 'listen' || error.hostname === HOST) {
    return `Cannot listen on HOST ${HOST ?? ''}: use an address of this machine, such as 127.0.0.1 or 0.0.0.0`
  }
  return undefined
}

function postgresLine (error: Fault, code: string, { DATABASE_URL = '' }: Place): string | undefined {
  const where = getPlace(DATABASE_URL)
  if (error.name === 'NoHostError') return `PostgreSQL: ${error.message}: start one, or correct DATABASE_URL`
  // Of both stores' drivers only MongoDB's has names of its own for this. The service waits for a database; commands do
  // not.
  if (NO_ANSWER.test(code)) return `PostgreSQL at ${where} does not answer (${code}): start it, or correct DATABASE_URL`
  if (typeof error.severity !== 'string') return undefined
  if (error.message.includes('unsupported startup parameter')) {
    return `PostgreSQL at ${where} is behind PgBouncer, or a pooler like it: add pgbouncer=true to the options of DATABASE_URL`
  }
  if (code === '3D000') return `PostgreSQL at ${where} has no such database: create it, or correct DATABASE_URL`
  if (code.startsWith('28')) return `PostgreSQL at ${where} refuses the user or password of DATABASE_URL: correct them`
  if (code === '42501') {
    return `PostgreSQL at ${where} does not allow this user to migrate: grant it the right to create tables`
  }
  return undefined
}

function mongoLine (error: Fault, code: string, { MONGODB_URL = '' }: Place): string | undefined {
  const where = getPlace(MONGODB_URL)
  if (/^Mongo(Parse|API|InvalidArgument)Error$/.test(error.name)) {
    return 'MONGODB_URL is not a valid connection string: check hosts, ports and options'
  }
  if (code === 'MONGO_NOT_REPLICA_SET') {
    return `MongoDB at ${where} is not a replica set: start mongod with --replSet and run rs.initiate() once`
  }
  if (!error.name.startsWith('Mongo')) return undefined
  if (/^Mongo(ServerSelection|Network)/.test(error.name)) {
    return `MongoDB at ${where} does not answer: start it, or correct MONGODB_URL`
  }
  if (code === '18' || code === '8000') {
    return `MongoDB at ${where} refuses the user or password of MONGODB_URL: correct them`
  }
  if (code === '13') {
    return `MongoDB at ${where} does not allow this user to use the database: grant it the role readWrite`
  }
  return undefined
}

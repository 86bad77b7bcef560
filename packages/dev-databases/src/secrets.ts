import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { systemCode } from './errors.ts'

/** Passwords of one server: of the user the service connects as, and of the one who may do everything. */
export interface Passwords {
  service: string
  admin: string
}

/** Passwords as they are written down. */
interface Written extends Passwords {
  /** The server knows them. */
  isTold?: boolean
}

/** Passwords, and whether the server has yet to be told. */
export type NewPasswords = Passwords & { isNew: boolean }

type Server = 'postgres' | 'mongodb'

/**
 * The passwords of a server, made at random when it is first asked for them. They are in a file of mode 0600 in a
 * folder of mode 0700; whoever can read it can do what the owner of the databases can.
 * @param dataDir the data folder
 * @param server whose
 */
export function readPasswords (dataDir: string, server: Server): NewPasswords {
  const file = passwordFile(dataDir, server)
  const known = readFile(file)
  if (known === undefined) {
    const passwords: Written = { service: createSecret(), admin: createSecret() }
    writePrivate(file, JSON.stringify(passwords))
    return { ...passwords, isNew: true }
  }
  chmodSync(file, 0o600)
  const { isTold = false, ...passwords } = JSON.parse(known) as Written
  return { ...passwords, isNew: !isTold }
}

/** Notes that the server knows its passwords. */
export function confirmPasswords (dataDir: string, server: Server, { service, admin }: Passwords): void {
  const written: Written = { service, admin, isTold: true }
  writePrivate(passwordFile(dataDir, server), JSON.stringify(written))
}

function passwordFile (dataDir: string, server: Server): string {
  return path.join(secretFolder(dataDir), `${server}.json`)
}

/**
 * The key by which members of a replica set know each other; with one, mongod asks everybody for a password.
 * @returns the path of the file, mode 0600
 */
export function readKeyFile (dataDir: string): string {
  const file = path.join(secretFolder(dataDir), 'mongodb.key')
  if (readFile(file) === undefined) writePrivate(file, randomBytes(96).toString('base64'))
  chmodSync(file, 0o600)
  return file
}

/** A folder for the logs of the servers, which only their owner may enter: they may quote statements. */
export function logFolder (dataDir: string): string {
  const folder = privateFolder(path.join(dataDir, 'logs'))
  for (const name of ['postgres.log', 'postgres.log.1', 'mongod.log', 'mongod.log.1']) {
    const old = path.join(dataDir, name) // where an earlier version of this package had them, open to all
    if (!existsSync(old)) continue
    chmodSync(old, 0o600)
    renameSync(old, path.join(folder, name))
  }
  return folder
}

function secretFolder (dataDir: string): string {
  return privateFolder(path.join(dataDir, 'secrets'))
}

function privateFolder (folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  return folder
}

// Letters, digits, - and _: a URL and SQL take it as it is.
function createSecret (): string {
  return randomBytes(24).toString('base64url')
}

function readFile (file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** In one step, and never readable by others in between. */
function writePrivate (file: string, content: string): void {
  const part = `${file}.${process.pid}.part`
  writeFileSync(part, content, { mode: 0o600, flag: 'w' })
  renameSync(part, file)
}

import { MongoClient, MongoServerError } from 'mongodb'
import { EmbeddedError } from '../errors.ts'
import type { Passwords } from '../secrets.ts'

/** The user who may do everything; its name, and that of the user the service connects as. */
export const ADMIN = 'tandem_admin'
export const SERVICE = 'tandem_service'

const ROLES = {
  [ADMIN]: ['root'],
  // Databases of any name: MONGODB_DATABASE chooses one. dbAdmin: validators are changed at boot.
  [SERVICE]: ['readWriteAnyDatabase', 'dbAdminAnyDatabase']
}
const UNAUTHORIZED = 13
const AUTHENTICATION_FAILED = 18

/** Whether an error says that a password is asked for. */
export function isAskedFor (error: unknown): boolean {
  return error instanceof MongoServerError && error.code === UNAUTHORIZED
}

/** Whether the server lets somebody without a password read what it holds. */
export async function isOpen (port: number): Promise<boolean> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 2000
  })
  try {
    await client.db('admin').command({ listDatabases: 1, nameOnly: true })
    return true
  } catch (error) {
    if (isAskedFor(error)) return false
    throw error
  } finally {
    await client.close()
  }
}

/**
 * Makes the two users on the first start. A server without users lets whoever comes first make one, on this machine
 * only; where that was not this process, the server is refused.
 * @param port of a server that is primary
 */
export async function makeUsers (port: number, passwords: Passwords): Promise<void> {
  const url = `mongodb://127.0.0.1:${port}/?directConnection=true`
  const first = new MongoClient(url, { serverSelectionTimeoutMS: 2000 })
  try {
    await createUser(first, ADMIN, passwords.admin)
  } catch (error) {
    if (!isAskedFor(error)) throw error
    // Users are there already: those of a start that was killed half way, or somebody else's.
  } finally {
    await first.close()
  }
  const admin = new MongoClient(url, {
    auth: { username: ADMIN, password: passwords.admin },
    serverSelectionTimeoutMS: 2000
  })
  try {
    await createUser(admin, SERVICE, passwords.service)
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== AUTHENTICATION_FAILED) throw error
    throw new EmbeddedError(
      'NOT_STARTED',
      'The MongoDB in the data folder has a user that was not made by this process: remove its folder mongodb to start with empty data, or restore the folder secrets.',
      error
    )
  } finally {
    await admin.close()
  }
}

async function createUser (client: MongoClient, user: keyof typeof ROLES, pwd: string): Promise<void> {
  const given = { pwd, roles: ROLES[user], mechanisms: ['SCRAM-SHA-256'] }
  const admin = client.db('admin')
  try {
    await admin.command({ createUser: user, ...given })
  } catch (error) {
    const exists = error instanceof MongoServerError && error.codeName === 'Location51003'
    if (!exists) throw error
    await admin.command({ updateUser: user, ...given })
  }
}

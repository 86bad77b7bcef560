import { randomBytes } from 'node:crypto'

const PREFIX = 'fastify-2p'
const form = /^fastify-2p:([\w.-]{1,64}):([0-9a-f]{32}):[0-9a-f]{16}$/

/** With what the names of this package's prepared transactions begin. */
export const gidPrefix = `${PREFIX}:`

/** What the name of a prepared transaction says. */
export interface ParsedGid {
  /** The pair of stores that its transaction belongs to. */
  pair: string
  /** Id of the MongoDB session that decides, in hexadecimal digits. */
  session: string
}

/** Whether a text can name a pair of stores: 1 to 64 letters, digits, `_`, `.` or `-`. */
export function isPair (text: string): boolean {
  return /^[\w.-]{1,64}$/.test(text)
}

/** A new name for a prepared transaction. PREPARE takes no parameters, so it holds nothing that needs a quote. */
export function makeGid ({ pair, session }: ParsedGid): string {
  return `${gidPrefix}${pair}:${session}:${randomBytes(8).toString('hex')}`
}

/** What a name says; undefined for one that this package has not made. */
export function parseGid (gid: string): ParsedGid | undefined {
  const [, pair, session] = form.exec(gid) ?? []
  return pair === undefined || session === undefined ? undefined : { pair, session }
}

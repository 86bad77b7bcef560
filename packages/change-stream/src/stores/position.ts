import { BSON } from 'mongodb'
import { toDate } from '../time.ts'
import type { Position } from '../types.ts'

/** A position as the column `token` holds it. A token may contain binary data, which plain JSON would lose. */
export function encode (position: Position): string {
  return BSON.EJSON.stringify({ token: position.token, through: position.through ?? null })
}

/** A position out of the column `token`; undefined where none was stored. */
export function decode (text: string | null | undefined): Position | undefined {
  if (text === null || text === undefined) return undefined
  const { token, through } = BSON.EJSON.parse(text) as { token: unknown; through: string | null }
  return { token, through: through ?? undefined }
}

/** The moment a position stands for, to be read by people. */
export function dateOfPosition ({ through }: Position): Date | undefined {
  return through === undefined ? undefined : toDate(through)
}

import type { ChangeStreamDocument, ResumeToken, Timestamp } from 'mongodb'
import { ChangeStreamError } from './errors.ts'

/** A cluster time as 16 hexadecimal digits: seconds and counter. Later times compare as greater texts. */
export type ClusterTime = string

/**
 * The text form of a cluster time, for example of a session's `operationTime` after a write.
 * @param time a BSON timestamp
 * @throws ChangeStreamError `CHANGE_STREAM_USAGE` when there is none: nothing was sent with the session yet
 */
export function clusterTime (time: Timestamp | undefined): ClusterTime {
  if (typeof time?.getHighBitsUnsigned !== 'function') {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      'clusterTime needs a timestamp of MongoDB, such as session.operationTime after a write with that session'
    )
  }
  return hex(time.getHighBitsUnsigned()) + hex(time.getLowBitsUnsigned())
}

/** True for a text that is a cluster time. */
export function isClusterTime (text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}

/** The moment a cluster time names, to the second. */
export function toDate (time: ClusterTime): Date {
  return new Date(Number.parseInt(time.slice(0, 8), 16) * 1000)
}

/** The time just before another. */
export function before (time: ClusterTime): ClusterTime {
  return (BigInt(`0x${time}`) - 1n).toString(16).padStart(16, '0')
}

/**
 * The cluster time inside a resume token; undefined for a token that does not look as expected.
 * The format is not documented: used only to know sooner that a quiet stream is current.
 */
function getTokenTime (token: ResumeToken): ClusterTime | undefined {
  const data = (token as { _data?: unknown } | null | undefined)?._data
  return typeof data === 'string' ? /^82([0-9a-f]{16})/i.exec(data)?.[1]?.toLowerCase() : undefined
}

/** What is known when the server says "nothing up to here": changes of that very moment may still come. */
export function quietUntil (token: ResumeToken): ClusterTime | undefined {
  const time = getTokenTime(token)
  return time && before(time)
}

/** The cluster time of a change. */
export function getClusterTime (change: ChangeStreamDocument): ClusterTime | undefined {
  return change.clusterTime === undefined ? getTokenTime(change._id) : clusterTime(change.clusterTime)
}

/** When a change was made, as `Date.now()` would have said there; to the second before MongoDB 6.0. */
export function getWallTime (change: ChangeStreamDocument): number {
  if ('wallTime' in change && change.wallTime instanceof Date) return change.wallTime.getTime()
  return change.clusterTime === undefined ? Date.now() : change.clusterTime.getHighBitsUnsigned() * 1000
}

function hex (bits: number): string {
  return bits.toString(16).padStart(8, '0')
}

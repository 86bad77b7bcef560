import { EmbeddedError } from '../errors.ts'
import type { Mongod } from './resolve.ts'

/** Turns the words of a mongod that did not start into one line with the next step. */
export function explainMongod (
  failure: string,
  said: string,
  folder: string,
  mongod: Mongod,
  log: string
): EmbeddedError {
  if (/No space left on device|Disk quota exceeded/i.test(said)) {
    return new EmbeddedError(
      'DISK_FULL',
      `No space left for ${folder}: free about 500 MB or set DATA_DIR to another disk.`
    )
  }
  if (/DBPathInUse|already locked/i.test(said)) {
    return new EmbeddedError('IN_USE', `${folder} is in use by another mongod: end it, or set MONGODB_URL to it.`)
  }
  if (/UPGRADE PROBLEM|featureCompatibilityVersion|unsupported WiredTiger file version|requires newer/i.test(said)) {
    return new EmbeddedError(
      'OTHER_VERSION',
      `${folder} was written by another MongoDB than ${mongod.version} (${mongod.source}): set MONGOMS_SYSTEM_BINARY to a mongod of that version, or move the folder away to start with empty data.`
    )
  }
  if (/Permission denied|Operation not permitted|Read-only file system/i.test(said)) {
    return new EmbeddedError(
      'DATA_DIR_UNUSABLE',
      `mongod may not write to ${folder}: give it to this user, or set DATA_DIR to a folder this user may write to.`
    )
  }
  if (/SIGILL/.test(failure)) {
    return new EmbeddedError(
      'NOT_STARTED',
      `This processor cannot run MongoDB ${mongod.version} (it needs AVX): set MONGODB_URL to a server elsewhere.`
    )
  }
  if (/WiredTiger|corrupt|WT_PANIC|Fatal assertion/i.test(said) && failure !== 'SIGKILL') {
    return new EmbeddedError(
      'DATA_DAMAGED',
      `The data in ${folder} is damaged or unreadable for MongoDB ${mongod.version}: restore it, or remove the folder to start with empty data (details: ${log}).`
    )
  }
  return new EmbeddedError(
    'NOT_STARTED',
    `mongod ${mongod.version} did not start in ${folder} (${failure}): read ${log}.`
  )
}

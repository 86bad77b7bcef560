import { EmbeddedError } from '../errors.ts'
import type { Mongod } from './resolve.ts'

interface Explanation {
  code: EmbeddedError['code']
  /** Words of mongod that this explains. */
  words: RegExp
  sentence: (folder: string, mongod: Mongod, log: string) => string
}

/** The first that fits counts. */
const EXPLANATIONS: Explanation[] = [
  {
    code: 'DISK_FULL',
    words: /No space left on device|Disk quota exceeded/i,
    sentence: (folder) => `No space left for ${folder}: free about 500 MB or choose a data folder on another disk.`
  },
  {
    code: 'IN_USE',
    words: /DBPathInUse|already locked/i,
    sentence: (folder) => `${folder} is in use by another mongod: end it, or use it.`
  },
  {
    code: 'OTHER_VERSION',
    words: /UPGRADE PROBLEM|featureCompatibilityVersion|unsupported WiredTiger file version|requires newer/i,
    sentence: (folder, { version, source }) =>
      `${folder} was written by another MongoDB than ${version} (${source}): set MONGOMS_SYSTEM_BINARY to a mongod of that version, or move the folder away to start with empty data.`
  },
  {
    code: 'DATA_DIR_UNUSABLE',
    words: /Permission denied|Operation not permitted|Read-only file system/i,
    sentence: (folder) => `mongod may not write to ${folder}: give it to this user, or choose another data folder.`
  }
]
const DAMAGED: Explanation = {
  code: 'DATA_DAMAGED',
  words: /WiredTiger|corrupt|WT_PANIC|Fatal assertion/i,
  sentence: (folder, { version }, log) =>
    `The data in ${folder} is damaged or unreadable for MongoDB ${version}: restore it, or remove the folder to start with empty data (details: ${log}).`
}

/** Turns the words of a mongod that did not start into one line with the next step. */
export function explainMongod (
  failure: string,
  said: string,
  folder: string,
  mongod: Mongod,
  log: string
): EmbeddedError {
  const known = EXPLANATIONS.find(({ words }) => words.test(said))
  if (known !== undefined) return new EmbeddedError(known.code, known.sentence(folder, mongod, log))
  if (/SIGILL/.test(failure)) {
    return new EmbeddedError(
      'NOT_STARTED',
      `This processor cannot run MongoDB ${mongod.version} (it needs AVX): use a server elsewhere.`
    )
  }
  if (DAMAGED.words.test(said) && failure !== 'SIGKILL') {
    return new EmbeddedError(DAMAGED.code, DAMAGED.sentence(folder, mongod, log))
  }
  return new EmbeddedError(
    'NOT_STARTED',
    `mongod ${mongod.version} did not start in ${folder} (${failure}): read ${log}.`
  )
}

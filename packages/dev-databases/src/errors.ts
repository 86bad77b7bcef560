/** What went wrong, as one word for code; the message is one line for people and ends with the next step. */
export type EmbeddedErrorCode =
  | 'USAGE'
  | 'NO_POSTGRES'
  | 'DATA_DIR_UNUSABLE'
  | 'IN_USE'
  | 'OTHER_VERSION'
  | 'DATA_DAMAGED'
  | 'DISK_FULL'
  | 'NOT_STARTED'

/** The embedded databases could not be had. `message` says what is wrong and what to do next. */
export class EmbeddedError extends Error {
  override name = 'EmbeddedError'
  readonly code: EmbeddedErrorCode

  constructor (code: EmbeddedErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** The `code` of a system error (`ENOENT`, `EACCES` …), or undefined. */
export function systemCode (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Turns "cannot write here" errors of the file system into one line about the data folder; rethrows anything else. */
export function explainFileError (error: unknown, folder: string): never {
  const code = systemCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    throw new EmbeddedError(
      'DISK_FULL',
      `No space left for ${folder}: free about 500 MB or choose a data folder on another disk.`,
      error
    )
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    throw new EmbeddedError(
      'DATA_DIR_UNUSABLE',
      `Cannot write to ${folder} (${code}): give this user the folder, or choose another data folder.`,
      error
    )
  }
  throw error
}

/** Why a backup or a restore was not done, and what to do; `lines` are for the terminal. Code `BACKUP_REFUSED`. */
export class BackupError extends Error {
  readonly code = 'BACKUP_REFUSED'
  readonly lines: string[]

  constructor (message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'BackupError'
    this.lines = [message]
  }
}

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

/** A command was given other words than it knows. `lines`: how it is called. Code `BACKUP_USAGE`. */
export class UsageError extends Error {
  readonly code = 'BACKUP_USAGE'
  readonly lines: string[]

  constructor (usage: string) {
    super(usage)
    this.name = 'UsageError'
    this.lines = [usage]
  }
}

import type { Target } from './parse.ts'

/** What a server has said of itself. */
export interface Role {
  /** It follows another server. */
  isStandby: boolean | undefined
  /** Transactions are read only unless they ask for something else. */
  isReadOnly: boolean | undefined
}

/** What servers from 14 on report when a session begins, and again after a statement when it has changed. */
const REPORTED = { in_hot_standby: 'isStandby', default_transaction_read_only: 'isReadOnly' } as const

/** Asked where nothing was reported: by older servers, and through poolers. */
export const ROLE_QUERY =
  "SELECT pg_catalog.pg_is_in_recovery() AS is_standby, pg_catalog.current_setting('transaction_read_only') AS is_read_only"

/** Takes note of a setting that a server has reported. */
export function noteReport (role: Role, name: string, value: string): void {
  if (name in REPORTED) role[REPORTED[name as keyof typeof REPORTED]] = value === 'on'
}

/** True while the server has not said enough to tell whether it fits. */
export function isUnknown (target: Target, { isStandby, isReadOnly }: Role): boolean {
  if (target === 'any') return false
  return isStandby === undefined || (isReadOnly === undefined && target.startsWith('read'))
}

/** Whether a server is what the URL asks for; yes, as long as nothing speaks against it. */
export function fits (target: Target, { isStandby = false, isReadOnly = false }: Role): boolean {
  switch (target) {
    case 'primary':
      return !isStandby
    case 'standby':
    case 'prefer-standby':
      return isStandby
    case 'read-write':
      return !isStandby && !isReadOnly
    case 'read-only':
      return isStandby || isReadOnly
    default:
      return true
  }
}

/** A server as it is, for the reason why none was taken. */
export function describeRole ({ isStandby, isReadOnly }: Role): string {
  if (isStandby === true) return 'is a standby'
  return isReadOnly === true ? 'is read only' : 'is a primary that takes writes'
}

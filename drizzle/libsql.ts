import { createRequire } from 'node:module'
import type Libsql from 'libsql'

const requireLate = createRequire(import.meta.url)

/** The driver of SQLite: ten megabytes of native code, which a service on PostgreSQL does not load. */
export function loadLibsql (): typeof Libsql {
  return requireLate('libsql') as typeof Libsql
}

import { EmbeddedError } from '../errors.ts'
import type { EmbeddedErrorCode } from '../errors.ts'

/**
 * What the server's own words mean, first match wins. `{folder}` is the data folder, `{line}` the decisive line of the
 * server.
 */
const MEANINGS: ReadonlyArray<[RegExp, EmbeddedErrorCode, string]> = [
  [
    /No space left on device|Disk quota exceeded/i,
    'DISK_FULL',
    'No space left for {folder}: free about 500 MB or choose a data folder on another disk.'
  ],
  [
    /database files are incompatible|was initialized by PostgreSQL version/i,
    'OTHER_VERSION',
    '{folder} was made by another PostgreSQL ({line}): move it away to start with empty data, or use a server of that version.'
  ],
  [
    /invalid permissions|wrong ownership|Permission denied|could not change permissions/i,
    'DATA_DIR_UNUSABLE',
    'PostgreSQL may not use {folder} ({line}): choose a data folder on a local disk that belongs to this user.'
  ],
  [
    /could not look up effective user/i,
    'NOT_STARTED',
    'PostgreSQL cannot run: {line}. Start as a user that /etc/passwd knows, or use a PostgreSQL that you run.'
  ],
  [
    /Operation not permitted|EPERM/i,
    'NOT_STARTED',
    'PostgreSQL does not run as root and this system forbids switching to another user ({line}): start as an ordinary user, or use a PostgreSQL that you run.'
  ],
  [
    /PANIC|checkpoint record|not a valid data directory|pg_control|postgresql\.conf|pg_hba\.conf|could not open (file|directory)|could not read|invalid page/i,
    'DATA_DAMAGED',
    'The data in {folder} is damaged ({line}): restore it, or remove the folder to start with empty data.'
  ]
]

/** Turns the words of initdb or the server into one line with the next step. `log`: where to read on. */
export function explainPostgres (failure: string, said: string, folder: string, log?: string): EmbeddedError {
  const line = decisiveLine(said) ?? failure
  const [, code, text] = MEANINGS.find(([pattern]) => pattern.test(`${failure}\n${said}`)) ??
    [
      undefined,
      'NOT_STARTED' as const,
      `PostgreSQL did not start in {folder} ({line})${log === undefined ? '' : `: read ${log}`}.`
    ]
  return new EmbeddedError(code, text.replace('{folder}', folder).replace('{line}', line))
}

function decisiveLine (said: string): string | undefined {
  const lines = said.split('\n').filter((line) => /FATAL|PANIC|error:|ERROR/.test(line))
  return lines.at(-1)?.replace(/^.*?(FATAL|PANIC|ERROR|error):\s*/, '').trim()
}

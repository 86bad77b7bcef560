import { readSettings } from '../../plugins/config.ts'
import { explainBoot } from '../../plugins/errors/boot.ts'
import { BackupError, UsageError } from './errors.ts'
import type { PairUrls } from './take.ts'

/**
 * What a command was told: a folder, flags, and by the environment which stores.
 * @param words behind the command's name
 * @param known flags
 * @param usage said where the words are others
 * @throws UsageError for other words, BackupError where URLs are missing
 */
export function readCommand (
  words: string[],
  known: string[],
  usage: string
): { folder: string; flags: string[]; urls: PairUrls } {
  const flags = words.filter((word) => word.startsWith('-'))
  const [folder, ...rest] = words.filter((word) => !word.startsWith('-'))
  if (folder === undefined || rest.length > 0 || flags.some((flag) => !known.includes(flag))) {
    throw new UsageError(usage)
  }
  const { DATABASE_URL, MONGODB_URL, MONGODB_DATABASE } = readSettings(process.env, {}, 'given')
  if (DATABASE_URL === undefined || MONGODB_URL === undefined) {
    throw new BackupError('A pair has two stores: set DATABASE_URL and MONGODB_URL')
  }
  return { folder, flags, urls: { databaseUrl: DATABASE_URL, mongoUrl: MONGODB_URL, mongoDatabase: MONGODB_DATABASE } }
}

/** Runs a command; says in a line what went wrong. Exit code 2 for other words than it knows, 1 for anything else. */
export async function runPairCommand (command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    for (const line of explainBoot(error, process.env)) console.error(line)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}

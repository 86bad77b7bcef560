import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientSession, Db } from 'mongodb'
import { FenceError, REFUSALS } from '../../plugins/projections/fence/errors.ts'
import { judge, type SqlState, type Verdict } from '../../plugins/projections/fence/judge.ts'
import { readMarks } from '../../plugins/projections/fence/mongo-marks.ts'
import { BackupError } from './errors.ts'
import type { Manifest } from './manifest.ts'

/** The moment at which both stores are read. */
export interface CommonFence {
  pair: string
  epoch: number
  counter: number
  at: Date
}

/** What the SQL side does for a backup. */
export interface SqlSource {
  /** Lets nobody change users, events or the fence from now on. False where somebody was in the way for too long. */
  hold: () => Promise<boolean>
  /** Fixes the snapshot that is dumped; called while it holds. Undefined on a replica. */
  read: () => Promise<SqlState | undefined>
  /** Copies what can be copied in this moment only; called while it holds, after `read`. */
  keep: () => Promise<void>
  release: () => Promise<void>
  /** Writes the snapshot that was read. */
  dump: (folder: string, say: (line: string) => void) => Promise<Pick<Manifest, 'sql' | 'sequences' | 'migrations'>>
  /** The server's. */
  version: () => Promise<string>
  close: () => Promise<void>
}

const TRIES = 20
const PAUSE_MS = 250

/**
 * Fixes one moment of both stores: SQL stands still while MongoDB's snapshot is chosen, so MongoDB knows nothing that
 * SQL does not, and what SQL has carried over is in MongoDB. Writers wait for some milliseconds.
 * @param newSession begins a snapshot session
 * @returns the session that reads MongoDB as it was at that moment; end it
 * @throws BackupError where that does not succeed; FenceError where the stores are no pair
 */
export async function meetAtFence (sql: SqlSource, db: Db, newSession: () => ClientSession): Promise<{
  fence: CommonFence
  session: ClientSession
}> {
  let verdict: Verdict | undefined
  for (let attempt = 0; attempt < TRIES; attempt++, await sleep(PAUSE_MS)) {
    if (!await sql.hold()) continue
    const session = newSession()
    try {
      const found = await readBoth(sql, db, session)
      verdict = found.verdict
      if (found.fence !== undefined) return { fence: found.fence, session }
    } catch (error) {
      await session.endSession()
      throw error
    } finally {
      await sql.release()
    }
    await session.endSession()
  }
  throw explain(verdict)
}

async function readBoth (sql: SqlSource, db: Db, session: ClientSession): Promise<{
  verdict: Verdict
  fence?: CommonFence
}> {
  // What was acknowledged before this moment is in both snapshots; what comes while they are taken may be.
  const at = new Date()
  const state = await sql.read()
  if (state === undefined) {
    throw new BackupError('DATABASE_URL leads to a replica, which is behind by nature: name the primary')
  }
  const mark = await db.collection<{ _id: string; pair: string; epoch: number; counter: number }>('fence')
    .findOne({ _id: 'fence' }, { session })
  const marks = await readMarks(db)
  const verdict = judge(state, { ...marks, mark: mark === null ? undefined : { ...mark, mends: [] } })
  if (verdict !== 'one' || state.mark === undefined) return { verdict }
  await sql.keep()
  const { pair, epoch, counter } = state.mark
  return { verdict, fence: { pair, epoch, counter, at } }
}

function explain (verdict: Verdict | undefined): Error {
  if (verdict === undefined) {
    return new BackupError('A long transaction holds users or events of the SQL database: try again when it has ended')
  }
  if (verdict === 'new') {
    return new BackupError('These stores have not been together yet: start the service on them once, then back up')
  }
  if (verdict in REFUSALS) return new FenceError(verdict as keyof typeof REFUSALS)
  return new BackupError('A store went back in time and is not repaired yet: start the service on them, then back up')
}

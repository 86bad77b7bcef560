import { setTimeout as sleep } from 'node:timers/promises'
import { findPgBouncer, startPgBouncer } from '../../test/servers/pgbouncer.ts'
import { findMissing } from './patroni-setup.ts'
import type { Patroni } from './patroni.ts'
import type { PostgresPair } from '../../test/servers/postgres-pair.ts'
import type { ReplicaSet } from './replica-set.ts'

/** What a failure happens to. */
export interface Databases {
  pair: PostgresPair
  set: ReplicaSet
  folder: string
  /** Told what has to be ended with the run. */
  endWith: (end: () => Promise<void>) => void
}

/** One way in which a database fails. */
export interface Failure {
  /** The standby lacks what was committed last: that is lost, and said. */
  isLossy?: true
  isSynchronous?: true
  /** Why it cannot be tried here. */
  missing?: () => string | undefined
  /** How the service reaches PostgreSQL. Default: through a proxy that leads to the primary. */
  connect?: (databases: Databases) => string | Promise<string>
  /** The same under Patroni. */
  connectToPatroni?: (patroni: Patroni) => string
  /** Happens to a PostgreSQL under Patroni, in place of the pair; as `fail` otherwise. */
  patroni?: (patroni: Patroni) => Promise<(() => void) | undefined>
  before?: (databases: Databases) => Promise<void>
  /** Resolves when it has happened; what it returns makes good what is left, once writes are taken again. */
  fail?: (databases: Databases) => Promise<(() => void) | undefined>
}

const READ_WRITE = 'target_session_attrs=read-write&connect_timeout=1'
const AWAY_MS = 8000

const failOver: NonNullable<Failure['fail']> = async ({ pair }) => {
  await pair.failOver()
  return undefined
}

/** All of them by name. An asynchronous standby lacks what was committed last; nothing else may be missing anywhere. */
export const FAILURES = {
  'asynchronous standby': { isLossy: true, before: ({ pair }) => pair.cutStandby(), fail: failOver },
  'synchronous standby': { isSynchronous: true, fail: failOver },
  'synchronous standby, several hosts': {
    isSynchronous: true,
    connect: ({ pair }) => pair.bothHosts(READ_WRITE),
    fail: failOver
  },
  'frozen primary, several hosts': {
    isSynchronous: true,
    connect: ({ pair }) => pair.bothHosts(READ_WRITE),
    fail: async ({ pair }) => {
      const thaw = pair.freeze()
      await pair.promote()
      return thaw
    }
  },
  'standby away': {
    isSynchronous: true,
    fail: async ({ pair }) => {
      const release = pair.holdReplication()
      await sleep(AWAY_MS)
      release()
      return undefined
    }
  },
  'synchronous standby, PgBouncer': {
    isSynchronous: true,
    missing: () => findPgBouncer() === undefined ? 'PgBouncer is not installed' : undefined,
    connect: async ({ pair, folder, endWith }) => {
      const { url, stop } = await startPgBouncer(folder, pair.url)
      endWith(stop)
      return `${url}?pgbouncer=true`
    },
    fail: failOver
  },
  mongodb: {
    fail: async ({ set }) => {
      await set.killPrimary()
      return undefined
    }
  },
  'mongodb frozen': { fail: ({ set }) => set.freezePrimary() },
  'Patroni and HAProxy, switchover': {
    missing: findMissing,
    patroni: async (patroni) => {
      await patroni.switchOver()
      return undefined
    }
  },
  'Patroni and HAProxy, primary killed': {
    missing: findMissing,
    patroni: async (patroni) => {
      await patroni.killPrimary()
      return undefined
    }
  },
  'Patroni, several hosts, primary frozen': {
    missing: findMissing,
    connectToPatroni: (patroni) => patroni.bothHosts(READ_WRITE),
    patroni: (patroni) => patroni.freezePrimary()
  }
} as const satisfies Record<string, Failure>

export type FailureName = keyof typeof FAILURES

/** Those that are tried with writes that are one in both stores too: each may catch some between their two commits. */
export const TWO_PHASE_FAILURES = [
  'asynchronous standby',
  'synchronous standby',
  'mongodb'
] as const satisfies readonly FailureName[]

import { MongoClient, MongoServerError } from 'mongodb'
import type { Auth, Db } from 'mongodb'
import { isAskedFor } from './access.ts'
import { setTimeout as sleep } from 'node:timers/promises'

/** Name of the replica set of one: transactions and change streams exist only in replica sets. */
export const REPLICA_SET = 'tandem'

interface ReplicaConfig {
  version: number
  members: Array<{ host: string }>
}

/**
 * Sees to it that the server on this port is the primary of its replica set: made on the first start, told its new
 * address when the port moved. Rejects when the server does not answer within `answerMs`; waits at most 20 s for the
 * election.
 */
export async function ensurePrimary (port: number, answerMs: number, auth: Auth | undefined): Promise<void> {
  const timeouts = { serverSelectionTimeoutMS: answerMs, connectTimeoutMS: answerMs }
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    ...timeouts,
    ...(auth === undefined ? {} : { auth })
  })
  try {
    await client.connect()
    const admin = client.db('admin')
    await announce(admin, `127.0.0.1:${port}`)
    const until = Date.now() + 20_000
    while ((await admin.command({ hello: 1 })).isWritablePrimary !== true) {
      if (Date.now() > until) throw new Error('no primary was elected')
      await sleep(20)
    }
  } finally {
    await client.close()
  }
}

async function announce (admin: Db, host: string): Promise<void> {
  try {
    const settings = { electionTimeoutMillis: 1000 }
    await admin.command({ replSetInitiate: { _id: REPLICA_SET, members: [{ _id: 0, host }], settings } })
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.codeName !== 'AlreadyInitialized') throw error
    const found = await admin.command({ replSetGetConfig: 1 }).catch((reason: unknown) => {
      // Without a user yet, this is not to be known; it has the address of before then.
      if (!isAskedFor(reason)) throw reason
    })
    if (found === undefined) return
    const { config } = found as unknown as { config: ReplicaConfig }
    const [member] = config.members
    if (member === undefined || member.host === host) return
    member.host = host
    config.version++
    await admin.command({ replSetReconfig: config, force: true })
  }
}

import type { Binary, MongoClient } from 'mongodb'

interface Operation {
  connectionId?: number
  lsid?: { id: Binary }
  isInTransaction: boolean
  isConnected: boolean
}

/**
 * Ends MongoDB transactions that a dead process has left open: they may hold the record of a decision until the server's
 * lifetime limit, a minute by default. Those whose connection is there are left alone: their process lives.
 *
 * @param sessions ids in hexadecimal digits, as names of prepared transactions have them
 * @returns how many were ended
 */
export async function endAbandoned (client: MongoClient, sessions: Set<string>): Promise<number> {
  const admin = client.db('admin')
  const operations = await admin.aggregate<Operation>([
    { $currentOp: { allUsers: false, idleConnections: true, idleSessions: true } },
    {
      $project: {
        connectionId: 1,
        lsid: 1,
        isInTransaction: { $ne: [{ $type: '$transaction' }, 'missing'] },
        isConnected: { $eq: ['$type', 'op'] }
      }
    }
  ], { readConcern: { level: 'local' }, maxTimeMS: 2000 }).toArray()
  const connected = new Set(operations.filter(({ isConnected }) => isConnected).map(({ connectionId }) => connectionId))
  const abandoned = operations.flatMap(({ connectionId, lsid, isInTransaction }) =>
    isInTransaction && lsid !== undefined && sessions.has(toHex(lsid.id)) && !connected.has(connectionId)
      ? [{ id: lsid.id }]
      : []
  )
  if (abandoned.length > 0) await admin.command({ killSessions: abandoned })
  return abandoned.length
}

function toHex (id: Binary): string {
  return Buffer.from(id.buffer).toString('hex')
}

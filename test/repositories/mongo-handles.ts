import { MongoClient, type CommandStartedEvent, type Db } from 'mongodb'
import type { Test } from 'tap'
import type { Documents } from '../../plugins/mongo/json/find-raw.ts'
import { databases } from '../helper.ts'

interface Mongo {
  db: Db
  commands: CommandStartedEvent[]
}
const quiet = new Set(['hello', 'ping', 'endSessions', 'isMaster', 'saslStart'])

/**
 * An empty database, and every command that is sent to it.
 * @param prepare makes what the test needs there; its commands are not among them
 */
export async function openMongo (t: Test, prepare: (db: Db) => Promise<unknown>): Promise<Mongo> {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = new MongoClient(mongoUrl, {
    monitorCommands: true,
    readConcernLevel: 'majority',
    w: 'majority',
    ignoreUndefined: true
  })
  t.teardown(() => client.close())
  const db = client.db(mongoDatabase)
  await prepare(db)
  const commands: CommandStartedEvent[] = []
  client.on('commandStarted', (event) => {
    if (!quiet.has(event.commandName)) commands.push(event)
  })
  return { db, commands }
}

/** The same database without `command`: what a transaction or a double offers. */
export function withoutCommands (db: Db): Documents {
  return { databaseName: db.databaseName, collection: (name) => db.collection(name) }
}

/** The same database, whose `command` fails. */
export function withFailingCommands (db: Db, getError: () => Error): Db {
  return new Proxy(db, {
    get (target, key) {
      if (key === 'command') {
        return async () => {
          throw getError()
        }
      }
      const member: unknown = Reflect.get(target, key, target)
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}

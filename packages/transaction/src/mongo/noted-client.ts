import type { MongoClient } from 'mongodb'
import { isNoted, noteDatabaseError } from '../core/origin.ts'

/** What the driver has and its types leave out. */
interface Topology {
  selectServer: (...args: unknown[]) => Promise<Server>
}
interface Server {
  command: (operation: Operation, ...rest: unknown[]) => Promise<unknown>
}
interface Operation {
  handleOk: (reply: unknown) => unknown
  /** What a batch of writes consists of. */
  documents?: unknown[]
  statements?: unknown[]
}
interface WriteReply {
  writeErrors?: Array<{ index: number }>
}

const known = new WeakSet<object>()

/**
 * Notes whatever a client's servers and its search for one fail with as the database's. All that the driver sends goes
 * through these two methods; its errors do not say which client they are of.
 * @returns a function that stops with the client's next connection
 */
export function noteErrorsOfClient (client: MongoClient): () => void {
  const noteTopology = (): void => {
    const { topology } = client as { topology?: Partial<Topology> }
    if (typeof topology?.selectServer === 'function') wrapTopology(topology as Topology)
  }
  noteTopology()
  client.on('topologyOpening', noteTopology)
  return function forgetClient () {
    client.removeListener('topologyOpening', noteTopology)
  }
}

function wrapTopology (topology: Topology): void {
  if (known.has(topology)) return
  known.add(topology)
  const selectServer = topology.selectServer.bind(topology)
  topology.selectServer = async function selectNotedServer (...args) {
    try {
      const server = await selectServer(...args)
      wrapServer(server)
      return server
    } catch (error) {
      throw noteDatabaseError(error)
    }
  }
}

function wrapServer (server: Server): void {
  if (known.has(server)) return
  known.add(server)
  const command = server.command.bind(server)
  server.command = async function commandNoting (operation, ...rest) {
    try {
      const reply = await command(operation, ...rest)
      if (hasWriteErrors(reply)) noteOnceRead(operation)
      return reply
    } catch (error) {
      // The driver tells of a batch by an error of its own, which keeps this part.
      noteDatabaseError((error as { writeConcernError?: unknown } | undefined)?.writeConcernError)
      throw noteDatabaseError(error)
    }
  }
}

/** The reply is read, and its write errors thrown, by the operation. */
function hasWriteErrors (reply: unknown): boolean {
  const { has } = Object(reply) as { has?: unknown }
  return typeof has === 'function' && Reflect.apply(has, reply, ['writeErrors']) === true
}

function noteOnceRead (operation: Operation): void {
  const handleOk = operation.handleOk.bind(operation)
  operation.handleOk = function handleNoting (reply) {
    try {
      const result = handleOk(reply)
      const { writeErrors = [] } = Object(result) as WriteReply
      const writes = operation.documents ?? operation.statements ?? []
      // Of a batch the driver keeps the writes that failed, and makes the errors anew.
      for (const { index } of writeErrors) noteDatabaseError(writes[index])
      return result
    } catch (error) {
      throw noteDatabaseError(error)
    }
  }
}

/** The parts that an error of a batch of writes keeps of what the server said. */
interface BatchError {
  errorResponse?: unknown
  writeErrors?: unknown
  result?: { result?: { writeConcernErrors?: Array<{ serverError?: unknown }> } }
}

/** True where a part of a batch's error was noted. */
export function isOfNotedBatch (error: object): boolean {
  const { errorResponse, writeErrors, result } = error as BatchError
  const writes = [writeErrors].flat() as Array<{ err?: { op?: unknown } } | undefined>
  return isNoted(errorResponse) || writes.some((write) => isNoted(write?.err?.op)) ||
    result?.result?.writeConcernErrors?.some(({ serverError }) => isNoted(serverError)) === true
}

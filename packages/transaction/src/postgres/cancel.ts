import type { Connection, ConnectionConfig, PoolClient } from 'pg'

/** What pg's client knows of its session and its types leave out. */
interface SessionKey {
  processID: number
  secretKey: number
  ssl?: unknown
  connection: Connection
}
interface CancellingConnection extends Connection {
  ssl: unknown
  requestSsl: () => void
  cancel: (processId: number, secretKey: number) => void
  connect: (port: number | string, host?: string) => void
}

/** Longest wait for a cancel request to be taken. */
const cancelTimeout = 1000

/**
 * Asks the server to stop what a session runs (PostgreSQL's CancelRequest, on a connection of its own, so it needs no
 * place in the pool). Resolves when the server has closed that connection or cannot be reached; never throws.
 */
export function cancelStatement (client: PoolClient): Promise<void> {
  const session = client as PoolClient & SessionKey
  // That of the copy of pg that the app uses.
  const Connection = session.connection.constructor as new(config: ConnectionConfig) => CancellingConnection
  const connection = new Connection({ ssl: session.ssl } as ConnectionConfig)
  return new Promise((resolve) => {
    const timer = setTimeout(finish, cancelTimeout)
    function finish (): void {
      clearTimeout(timer)
      connection.stream.destroy()
      resolve()
    }
    const send = () => {
      connection.cancel(session.processID, session.secretKey)
    }
    connection.on('connect', () => {
      if (connection.ssl) connection.requestSsl()
      else send()
    })
    connection.on('sslconnect', send)
    connection.once('end', finish)
    connection.on('error', finish)
    if (client.host.startsWith('/')) connection.connect(`${client.host}/.s.PGSQL.${client.port}`)
    else connection.connect(client.port, client.host)
  })
}

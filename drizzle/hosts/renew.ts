import pg, { type ClientConfig } from 'pg'

type Connection = pg.Connection & { end: () => void; stream: { destroySoon?: () => void; destroy: () => void } }

/** What pg's client has and its types leave out. */
export interface Internals {
  connection: Connection
  host: string
  port: number
  ssl: unknown
  sslNegotiation: unknown
  connectionTimeoutHandle: NodeJS.Timeout | undefined
  _connecting: boolean
  _connected: boolean
  _connectionError: boolean
  _queryable: boolean
  _ended: boolean
  _ending: boolean
}

/** A client of pg's connects once: it takes leave of the server that was tried, and begins anew with a fresh socket. */
export function renew (client: Internals, { keepAlive = false, keepAliveInitialDelayMillis = 0 }: ClientConfig): void {
  const { connection, ssl, sslNegotiation } = client
  clearTimeout(client.connectionTimeoutHandle)
  connection.removeAllListeners()
  connection.on('error', () => {})
  if (client._connected) connection.end()
  if (client._connected && connection.stream.destroySoon !== undefined) connection.stream.destroySoon()
  else connection.stream.destroy()
  const config = { ssl, sslNegotiation, keepAlive, keepAliveInitialDelayMillis }
  client.connection = new pg.Connection(config as ConstructorParameters<typeof pg.Connection>[0]) as Connection
  Object.assign(client, {
    _connecting: false,
    _connected: false,
    _connectionError: false,
    _queryable: true,
    _ended: false
  })
}

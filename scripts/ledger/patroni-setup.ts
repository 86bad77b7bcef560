import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { findHaproxy } from './haproxy.ts'
import { findProgram } from '../../test/servers/program.ts'

const SERVERS = '/usr/lib/postgresql'
export const PASSWORD = 'ledger'
/** Seconds until a leader that is silent has lost its place; Patroni's own 30 would make the run long. */
const TTL_S = 5

const PARAMETERS = { max_connections: 200, max_prepared_transactions: 100, fsync: 'off', wal_log_hints: 'on' }

/** Where one of the servers is. */
export interface Place {
  name: string
  folder: string
  port: number
  /** Of its Patroni. */
  api: string
}

/** Says what is missing for a PostgreSQL under Patroni; undefined where all is there. */
export function findMissing (): string | undefined {
  const missing = ['patroni', 'etcd'].filter((name) => findProgram(name) === undefined)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  if (findServer() === undefined) return `no PostgreSQL with pg_basebackup in ${SERVERS}`
  return findHaproxy() === undefined ? 'HAProxy is not installed' : undefined
}

function findServer (): string | undefined {
  if (!existsSync(SERVERS)) return undefined
  return readdirSync(SERVERS).map((version) => path.join(SERVERS, version, 'bin')).toReversed()
    .find((folder) =>
      ['pg_ctl', 'initdb', 'pg_basebackup', 'pg_rewind'].every((name) => existsSync(path.join(folder, name)))
    )
}

/** The database, by the port of a server or of HAProxy. */
export function toUrl (port: number): string {
  return `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`
}

/** What Patroni reads when it starts a server. @param etcd its address */
export function toConfiguration ({ name, folder, port, api }: Place, etcd: string) {
  const pg_hba = [
    'local all all trust',
    'host all all 127.0.0.1/32 scram-sha-256',
    'host replication all 127.0.0.1/32 scram-sha-256'
  ]
  const listen = new URL(api).host
  const user = (username: string) => ({ username, password: PASSWORD })
  return {
    scope: 'ledger',
    name,
    log: { dir: folder },
    restapi: { listen, connect_address: listen },
    etcd3: { host: etcd },
    bootstrap: {
      dcs: {
        ttl: TTL_S,
        loop_wait: 1,
        retry_timeout: 2,
        maximum_lag_on_failover: 0,
        synchronous_mode: true,
        postgresql: { use_pg_rewind: true, parameters: PARAMETERS }
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'no-sync']
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: path.join(folder, 'data'),
      bin_dir: findServer(),
      pgpass: path.join(folder, 'pgpass'),
      basebackup: ['no-sync', { checkpoint: 'fast' }],
      pg_hba,
      parameters: { unix_socket_directories: folder },
      authentication: { superuser: user('postgres'), replication: user('replicator'), rewind: user('rewinder') }
    }
  }
}

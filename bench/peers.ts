import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TYPESCRIPT_ARGS } from '../scripts/typescript.ts'

/** A server to measure. */
export interface Peer {
  name: string
  what: string
  command: string[]
  env?: Record<string, string>
  /** Why it cannot run on this machine; undefined when it can. */
  missing: () => string | undefined
}

const root = path.join(import.meta.dirname, '..')
const peers = path.join(import.meta.dirname, 'peers')
const nest = path.join(peers, 'nest')

/**
 * What every peer is told about its databases, with the same switches for all: no logging, a pool of 20 without
 * overflow.
 */
export interface Databases {
  DATABASE_URL: string
  MONGODB_URL: string
  MONGODB_DATABASE: string
}

/** How the service runs while it is measured. */
export const SERVICE_ENV = {
  NODE_ENV: 'production',
  LOG_LEVEL: 'silent',
  DATABASE_MAX_OVERFLOW: '0',
  PROJECTIONS: 'false',
  RATE_LIMIT_MAX: '0',
  SHUTDOWN_DELAY_MS: '0',
  MAX_EVENT_LOOP_DELAY_MS: '0'
}

/** All peers, the service twice: the second one is the control whose distance from the first is noise. */
export function allPeers (): Peer[] {
  const service = [process.execPath, path.join(root, 'dist', 'server.js')]
  const env = SERVICE_ENV
  const always = () => undefined
  return [
    {
      name: 'bare',
      what: 'hand-written Fastify + pg with named statements + driver',
      command: [process.execPath, path.join(root, '.bench', 'peers', 'bare.js')],
      env: { NODE_ENV: 'production' },
      missing: always
    },
    { name: 'service', what: 'this service, built, production settings', command: service, env, missing: always },
    { name: 'control', what: 'the service again', command: service, env, missing: always },
    {
      name: 'nest',
      what: 'NestJS on Express, TypeORM and Mongoose as their guides write them',
      command: [process.execPath, path.join(nest, 'dist', 'main.js')],
      env: { NODE_ENV: 'production' },
      missing: () => buildNest()
    },
    python('fastapi', 'FastAPI, SQLAlchemy and ODMantic as the patterns write them', 'fastapi_patterns.py', [
      'sqlalchemy',
      'psycopg2',
      'odmantic',
      'motor'
    ]),
    python('fastapi-best', 'FastAPI with asyncpg and PyMongo async', 'fastapi_best.py', ['asyncpg', 'pymongo']),
    go('go', 'Go net/http + pgx + mongo-driver, one core', {}),
    go('go-json', 'the same, GET /users/ as JSON text of PostgreSQL', { USERS: 'json' })
  ]
}

function python (name: string, what: string, file: string, packages: string[]): Peer {
  const interpreter = process.env['BENCH_PYTHON'] ?? 'python3'
  return {
    name,
    what,
    command: [interpreter, path.join(peers, file)],
    missing () {
      const imports = ['fastapi', 'uvicorn', 'uvloop', 'httptools', ...packages].join(', ')
      return spawnSync(interpreter, ['-c', `import ${imports}`]).status === 0
        ? undefined
        : `${interpreter} lacks one of ${imports} (pip install -r bench/peers/requirements.txt)`
    }
  }
}

function go (name: string, what: string, env: Record<string, string>): Peer {
  return {
    name,
    what,
    command: [path.join(root, '.bench', 'go-peer')],
    env: { GOMAXPROCS: '1', ...env },
    missing: () => buildGo()
  }
}

function buildGo (): string | undefined {
  const built = spawnSync('go', ['build', '-o', path.join(root, '.bench', 'go-peer'), '.'], {
    cwd: path.join(peers, 'go'),
    encoding: 'utf8'
  })
  if (built.error !== undefined) return 'there is no go'
  return built.status === 0 ? undefined : `go build failed: ${built.stderr.slice(0, 300)}`
}

function buildNest (): string | undefined {
  if (!existsSync(path.join(nest, 'node_modules'))) {
    return 'its packages are not installed (npm ci --prefix bench/peers/nest)'
  }
  const built = spawnSync('npm', ['run', 'build'], { cwd: nest, encoding: 'utf8' })
  if (built.error !== undefined) return 'there is no npm'
  return built.status === 0 ? undefined : `npm run build failed: ${built.stdout.slice(0, 300)}`
}

/** Compiles the service and the hand-written peer, so that both run as plain JavaScript. */
export function build (): void {
  for (const args of [[path.join(root, 'scripts', 'build.ts')], [path.join(import.meta.dirname, 'build-bare.ts')]]) {
    if (spawnSync(process.execPath, [...TYPESCRIPT_ARGS, ...args], { stdio: 'inherit' }).status !== 0) {
      throw new Error('the build failed')
    }
  }
}

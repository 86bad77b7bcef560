// Boots dist/server.js once as production runs it: both databases given and migrated before. Used by .ci/run.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { startEmbedded } from 'dev-databases'
import { migrate } from '../drizzle/migrate.ts'

const PATIENCE_MS = 30_000
const root = path.join(import.meta.dirname, '..')
const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-build-'))
const databases = await startEmbedded({ dataDir, postgres: true, mongodb: true, onProgress: console.error })
const { postgres, mongodb } = databases
try {
  if (postgres === undefined) throw new Error('no PostgreSQL')
  await migrate(postgres.url)
  await tryServer({
    DATABASE_URL: postgres.url,
    ...(mongodb === undefined || mongodb.how === 'missing' ? {} : { MONGODB_URL: mongodb.url })
  })
  console.log('The built service started, was ready, answered and stopped.')
} finally {
  await databases.stop()
  rmSync(dataDir, { recursive: true, force: true })
}

async function tryServer (urls: NodeJS.ProcessEnv): Promise<void> {
  const server = spawn(process.execPath, [path.join(root, 'dist', 'server.js')], {
    cwd: dataDir,
    env: { ...process.env, ...urls, NODE_ENV: 'production', PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const timer = setTimeout(() => {
    server.kill('SIGKILL')
  }, PATIENCE_MS)
  const exited = once(server, 'exit')
  const origin = await readOrigin(server.stdout)
  for (const route of ['/readyz', '/users', '/posts/summaries']) {
    const { status } = await fetch(origin + route)
    if (status !== 200) throw new Error(`${route} answered ${status}`)
  }
  server.kill('SIGTERM')
  const [code] = await exited as [number | null]
  clearTimeout(timer)
  if (code !== 0) throw new Error(`the server ended with ${String(code)}`)
}

async function readOrigin (log: NodeJS.ReadableStream): Promise<string> {
  let last = ''
  for await (const line of createInterface(log)) {
    const origin = /listening at (http:[^"\s]+)/.exec(line)?.[1]
    if (origin !== undefined) return origin
    last = line
  }
  throw new Error(`the server ended before it listened: ${last}`)
}

// `npm run db:studio`: Drizzle Studio on PostgreSQL, which with-databases.ts starts where it is missing. The program
// listens on 127.0.0.1; its pages come from the internet, from local.drizzle.studio.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { readEnvFile } from './env-file.ts'

const root = path.join(import.meta.dirname, '..')
const port = process.argv[2] ?? '4983'

readEnvFile()
const url = process.env['DATABASE_URL'] ?? ''
if (/^postgres(ql)?:/.test(url)) await openStudio()
else {
  console.error('Drizzle Studio is for PostgreSQL here: a file of SQLite is opened by any tool for it, such as sqlite3')
  process.exitCode = 2
}

// Ctrl+C reaches both programs; this one waits for the other, and then the databases are stopped.
async function openStudio (): Promise<void> {
  const program = path.join(root, 'node_modules', 'drizzle-kit', 'bin.cjs')
  const words = ['studio', '--config', 'drizzle/postgres.config.ts', '--host', '127.0.0.1', '--port', port]
  const studio = spawn(process.execPath, [program, ...words], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      studio.kill(signal)
    })
  }
  const [code] = await once(studio, 'exit') as [number | null]
  process.exitCode = code ?? 0
}

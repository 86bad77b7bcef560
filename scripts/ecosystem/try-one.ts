import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Order, Result } from './trial.ts'
import { TYPESCRIPT_ARGS } from '../typescript.ts'

const LIMIT_MS = 90_000
const worker = fileURLToPath(new URL('worker.ts', import.meta.url))

/** Tries one plugin in one order, in a process of its own: a crash or a hang is a result. */
export async function tryOne (name: string, order: Order, databaseUrl: string): Promise<Result[]> {
  const child = fork(worker, [name, order, databaseUrl], {
    execArgv: [...TYPESCRIPT_ARGS, '--no-deprecation'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc']
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  let results: Result[] | undefined
  child.on('message', (found) => {
    results = found as Result[]
  })
  const timer = setTimeout(() => {
    child.kill('SIGKILL')
  }, LIMIT_MS)
  const [code, signal] = await once(child, 'close') as [number | null, string | null]
  clearTimeout(timer)
  const lastWords = /^\w*Error.*$/m.exec(said)?.[0] ?? said.slice(0, 200)
  const isLate = signal === 'SIGKILL'
  const detail = isLate ? `no end within ${LIMIT_MS / 1000} s` : `ended with ${code ?? signal}: ${lastWords}`
  return results ?? [{ name: 'process', isRight: false, detail }]
}

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { readRun } from './databases/run.ts'
import { newFolder } from './folder.ts'

/** A line of the service's log. */
export interface LogLine {
  level: number
  msg: string
  [field: string]: unknown
}

/** The service as a process of its own. */
export interface ServerProcess {
  child: ChildProcess
  /** What it has logged so far. */
  log: LogLine[]
  /** What it has written to stderr so far. */
  errors: () => string
  /** Its origin, once it listens; rejects when it ends before. */
  origin: Promise<string>
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>
  /** Waits for a line of the log. */
  logged: (msg: RegExp) => Promise<LogLine>
}

/**
 * Runs the service as production does, compiled and in a process of its own, killed with the test.
 * @param env settings; nothing else of this process's environment than PATH and HOME
 * @param nodeArgs arguments of node, for example another module to import
 */
export function startServer (t: Test, env: NodeJS.ProcessEnv, nodeArgs: string[] = []): ServerProcess {
  return startNode(t, env, [...nodeArgs, path.join(readRun().built, 'server.js')])
}

/**
 * Runs the service by another program of node, killed with the test.
 * @param env as `startServer`
 * @param args arguments of node, its program among them
 */
export function startNode (t: Test, env: NodeJS.ProcessEnv, args: string[]): ServerProcess {
  const child = spawn(process.execPath, args, {
    cwd: newFolder(t),
    // tap's own loader is of no use to it.
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_OPTIONS: '',
      HOST: '127.0.0.1',
      PORT: '0',
      // No load balancer has to notice.
      SHUTDOWN_DELAY_MS: '0',
      ...env
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  t.teardown(() => {
    child.kill('SIGKILL')
  })
  const log: LogLine[] = []
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const lines = createInterface(child.stdout as NodeJS.ReadableStream)
  lines.on('line', (line) => {
    log.push(JSON.parse(line) as LogLine)
  })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals)

  async function logged (msg: RegExp): Promise<LogLine> {
    for (;;) {
      const found = log.find((line) => msg.test(line.msg))
      if (found !== undefined) return found
      const word = await Promise.race([once(lines, 'line'), ended])
      if (!Array.isArray(word)) throw new Error(`the service ended with ${word}: ${errors}`)
    }
  }
  const origin = logged(/listening at/).then(({ msg }) => /http:\S+/.exec(msg)?.[0] ?? '')
  origin.catch(() => {}) // a test that expects the service to fail does not ask for it
  return { child, log, errors: () => errors, origin, ended, logged }
}

/** A server on a port of 127.0.0.1 that does nothing with its connections. */
export async function listenOn (port: number, onConnection: (socket: Socket) => void = () => {}): Promise<Server> {
  const server = createServer(onConnection).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

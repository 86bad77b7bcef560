import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../test/servers/ports.ts'
import type { Databases, Peer } from './peers.ts'

/** A server that is being measured. */
export interface Running {
  name: string
  origin: string
  pid: number
  stop: () => Promise<void>
}

const startLimit = 30_000
/** Clock ticks per second of /proc; 100 on every Linux. */
const ticksPerSecond = 100

/** Starts a peer on its own port and waits until it answers. `cpu` pins it to a core where the system can. */
export async function startPeer (
  { name, command, env: own }: Peer,
  databases: Databases,
  cpu?: number
): Promise<Running> {
  const [port = 0] = await freePorts(1)
  const [program = '', ...args] = cpu === undefined ? command : ['taskset', '-c', String(cpu), ...command]
  const child = spawn(program, args, {
    env: { ...process.env, ...databases, DATABASE_POOL_SIZE: '20', ...own, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2000)
  })
  const origin = `http://127.0.0.1:${port}`
  const until = performance.now() + startLimit
  while (!await answers(`${origin}/users/1`)) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`${name} did not start: ${complaint}`)
    await sleep(50)
  }
  return { name, origin, pid: child.pid ?? 0, stop: () => stop(child) }
}

/** Milliseconds of processor time that a process has used; undefined where the system does not tell. */
export function cpuTime (pid: number): number | undefined {
  const fields = readStat(pid)
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * 1000 / ticksPerSecond
}

/** The same of a process and its children, those included that have ended: a server with a process for each session. */
export function familyCpuTime (pid: number): number | undefined {
  const own = readStat(pid)
  if (own === undefined) return undefined
  const ended = (Number(own[13]) + Number(own[14])) * 1000 / ticksPerSecond
  const children = readdirSync('/proc').map(Number).filter((other) => readStat(other)?.[1] === String(pid))
  return [pid, ...children].reduce((sum, each) => sum + (cpuTime(each) ?? 0), ended)
}

/** The fields of /proc/…/stat behind the name: state, parent, … */
function readStat (pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')
  } catch {
    return undefined
  }
}

/** Resident memory of a process in MiB; undefined where the system does not tell. */
export function memory (pid: number): number | undefined {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    return pages * 4096 / 2 ** 20
  } catch {
    return undefined
  }
}

async function answers (url: string): Promise<boolean> {
  try {
    const response = await fetch(url)
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise((resolve) => {
    child.once('exit', resolve)
  })
  child.kill('SIGTERM')
  const force = setTimeout(() => {
    child.kill('SIGKILL')
  }, 5000)
  await gone
  clearTimeout(force)
}

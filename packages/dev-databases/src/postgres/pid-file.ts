import { readFileSync, readlinkSync, rmSync } from 'node:fs'
import path from 'node:path'
import { EmbeddedError } from '../errors.ts'
import { isAlive, getMark } from '../system/processes.ts'
import type { ProcessMark } from '../system/processes.ts'

/** What a server writes about itself: pid, port, and whether it takes connections. */
export function readPidFile (folder: string): { pid: number; port: number; isReady: boolean } | undefined {
  try {
    const lines = readFileSync(path.join(folder, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), isReady: lines[7]?.trim() === 'ready' }
  } catch {
    return undefined
  }
}

/** The server that runs in this folder by its own word, whoever started it. */
export function runningServer (folder: string): ProcessMark & { port: number } | undefined {
  const file = readPidFile(folder)
  if (file === undefined || !isAlive({ pid: file.pid, started: '' }) || !worksIn(file.pid, folder)) return undefined
  return { ...getMark(file.pid), port: file.port }
}

/**
 * PostgreSQL replaces the pid file of a dead server by itself, except where the dead one is a zombie (a container whose
 * first process reaps nobody) or its pid now belongs to another process of the same user. Only in these cases is the
 * file removed here.
 */
export function forgetDeadServer (folder: string): void {
  const running = runningServer(folder)
  if (running !== undefined) {
    throw new EmbeddedError('IN_USE', `${folder} is in use by PostgreSQL pid ${running.pid}: end it and start again.`)
  }
  rmSync(path.join(folder, 'postmaster.pid'), { force: true })
}

/** A server's working directory is its data folder. Where the system does not tell, its name has to do. */
function worksIn (pid: number, folder: string): boolean {
  if (process.platform !== 'linux') return true
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder
  } catch { /* another user's process: not told */ }
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres')
  } catch {
    return false
  }
}

// The reaper: a small process that stops the embedded servers when no process that uses them is alive any more, however it ended.
// Usage: node reaper.mjs DATA_DIR. Started by holders.ts, detached; it ends by itself.
// Plain JavaScript with no import of ours, because it outlives the service and must not need its TypeScript loader.
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const dataDir = process.argv[2]
const LOOK_EVERY_MS = 500
/** A service that was killed is often started again at once; it then finds its servers still running. */
const GRACE_AFTER_KILL_MS = 5_000
const STEP_MS = 10_000

/** Records of servers by name; kept here so that they can still be stopped when the whole folder is removed. */
const servers = new Map()

// Same rules as processes.ts: a zombie without threads is gone, and a pid that was given to another process is not ours.
function startTime (pid) {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1) ? undefined : fields[19]
    }
    if (process.platform !== 'win32') return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    process.kill(pid, 0)
    return ''
  } catch (error) { return error.code === 'EPERM' ? '' : undefined }
}

function isAlive ({ pid, started }) {
  const now = startTime(pid)
  return now !== undefined && (started === '' || now === started)
}

function records (folder) {
  try {
    return readdirSync(path.join(dataDir, folder)).flatMap((name) => {
      const file = path.join(dataDir, folder, name)
      try { return [{ name, file, record: JSON.parse(readFileSync(file, 'utf8')) }] } catch { return [] }
    })
  } catch { return [] }
}

/** Looks once: is the folder held by a live process, and has a holder ended without `stop()`? */
function look () {
  for (const { name, record } of records('servers')) if (record.pid > 0) servers.set(name, record)
  const holders = records('holders')
  return { isUsed: holders.some(({ record }) => isAlive(record)), wasKilled: holders.length > 0 }
}

// The flag and the holders' registrations are written before the other is read, on both sides: either the reaper sees a new holder, or that one sees the flag.
async function untilUnused () {
  const flag = path.join(dataDir, 'stopping')
  for (let unusedSince; ;) {
    const { isUsed, wasKilled } = look()
    unusedSince = isUsed ? undefined : unusedSince ?? Date.now()
    if (isUsed || (wasKilled && Date.now() - unusedSince < GRACE_AFTER_KILL_MS)) { await sleep(LOOK_EVERY_MS); continue }
    try { writeFileSync(flag, JSON.stringify({ pid: process.pid, started: startTime(process.pid) ?? '' })) } catch { return }
    if (!look().isUsed) return
    rmSync(flag, { force: true })
  }
}

function signal (record, step) {
  if (process.platform === 'win32' && record.pgCtl !== undefined && step === 0) {
    spawnSync(record.pgCtl, ['stop', '-m', 'fast', '-D', record.folder], { windowsHide: true })
    return
  }
  try { process.kill(record.pid, record.signals[step]) } catch { /* it has just ended */ }
}

// A clean stop first, then with more force: a server that hangs must not stay for ever.
async function stop (record) {
  for (let step = 0; step < record.signals.length && isAlive(record); step++) {
    signal(record, step)
    const until = Date.now() + STEP_MS
    while (isAlive(record) && Date.now() < until) await sleep(20)
  }
}

function tidy () {
  for (const { file, record } of records('holders')) if (!isAlive(record)) rmSync(file, { force: true })
  for (const name of ['reaper.json', 'stopping']) rmSync(path.join(dataDir, name), { force: true })
}

process.on('SIGHUP', () => {})
await untilUnused()
await Promise.all([...servers.values()].map(stop))
tidy()

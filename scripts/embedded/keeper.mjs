// The keeper: a small process that stops the embedded servers when no process that uses them is alive any more, however it ended.
// Usage: node keeper.mjs DATA_DIR [path of pg_ctl]. Started by users.ts, detached; it ends by itself.
// Plain JavaScript with no import of ours, because it outlives the service and must not need its TypeScript loader.
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const [dataDir = '', pgCtl = ''] = process.argv.slice(2)
const flag = path.join(dataDir, 'stopping')
/** Records of servers by name; kept here so that they can still be stopped when somebody removes the whole folder. */
const servers = new Map()

// Same rule as processes.ts: a zombie is gone, and a pid that was given to another process is not ours.
function isAlive ({ pid, started }) {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] !== 'Z' && fields[0] !== 'X' && (started === '' || fields[19] === started)
    }
    process.kill(pid, 0)
    if (process.platform === 'win32' || started === '') return true
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() === started
  } catch (error) { return error.code === 'EPERM' }
}

function records (folder) {
  try {
    return readdirSync(path.join(dataDir, folder)).flatMap((name) => {
      try { return [[name, JSON.parse(readFileSync(path.join(dataDir, folder, name), 'utf8'))]] } catch { return [] }
    })
  } catch { return [] }
}

function isUsed () {
  for (const [name, record] of records('servers')) servers.set(name, record)
  return records('users').some(([, user]) => isAlive(user))
}

function signal (name, pid, step) {
  if (process.platform === 'win32' && name === 'postgres.json' && pgCtl !== '' && step === 0) {
    spawnSync(pgCtl, ['stop', '-m', 'fast', '-D', servers.get(name).folder], { windowsHide: true })
    return
  }
  const signals = name === 'postgres.json' ? ['SIGINT', 'SIGQUIT', 'SIGKILL'] : ['SIGTERM', 'SIGTERM', 'SIGKILL']
  try { process.kill(pid, signals[step]) } catch { /* it has just ended */ }
}

// Clean stop first; after ten seconds with force: a server that hangs must not stay for ever.
async function stop (name, record) {
  for (let step = 0; step < 3 && isAlive(record); step++) {
    signal(name, record.pid, step)
    for (let wait = 0; wait < 500 && isAlive(record); wait++) await sleep(20)
  }
}

// The flag and the users' registrations are written before the other is read, on both sides: either we see the newcomer or it sees us.
async function untilUnused () {
  for (;;) {
    while (isUsed()) await sleep(250)
    try { writeFileSync(flag, JSON.stringify({ pid: process.pid, started: '' })) } catch { return }
    if (!isUsed()) return
    rmSync(flag, { force: true })
  }
}

process.on('SIGHUP', () => {})
await untilUnused()
await Promise.all([...servers].map(([name, record]) => stop(name, record)))
for (const file of ['keeper.json', 'stopping']) rmSync(path.join(dataDir, file), { force: true })

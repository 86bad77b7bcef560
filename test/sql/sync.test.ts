// When a COMMIT of SQLite is on the disk, by the calls that put it there.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { newFolder } from '../folder.ts'

const COMMITS = 40
const writer = path.join(import.meta.dirname, 'sync-writer.ts')
const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0

/** How often a process that commits transactions waits for the disk; what opening and closing cost is taken off. */
function countSyncs (t: Test, synchronous: 'normal' | 'full'): number {
  const [none, some] = [0, COMMITS].map((commits) => {
    const folder = newFolder(t)
    const trace = path.join(folder, 'trace')
    const node = [process.execPath, '--conditions=tandem-source', '--import=tsx', writer]
    const { status, stderr } = spawnSync(
      'strace',
      [
        '-f',
        '-e',
        'trace=fsync,fdatasync',
        '-o',
        trace,
        ...node,
        path.join(folder, 'app.db'),
        synchronous,
        String(commits)
      ],
      { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }
    )
    if (status !== 0) throw new Error(stderr)
    return readFileSync(trace, 'utf8').match(/\b(fsync|fdatasync)\(/g)?.length ?? 0
  })
  return (some ?? 0) - (none ?? 0)
}

t.test('DATABASE_SYNCHRONOUS', { skip: canTrace ? false : 'strace is not there, or may not be used' }, async (t) => {
  const full = countSyncs(t, 'full')
  t.ok(full >= COMMITS, `full: each of ${COMMITS} COMMITs waits for the disk (${full} calls)`)
  const normal = countSyncs(t, 'normal')
  t.ok(normal < COMMITS / 4, `normal: they do not (${normal} calls)`)
})

// Two instances behind HAProxy are replaced in turns under clients with kept connections; `npm run ha` does it twenty times.
import path from 'node:path'
import t from 'tap'
import { findHaproxy } from '../../scripts/ledger/haproxy.ts'
import { runRolling } from '../../scripts/ledger/rolling.ts'
import { readRun } from '../databases/run.ts'
import { newFolder } from '../folder.ts'

const skip = findHaproxy() === undefined ? 'HAProxy is not installed' : false

t.test('a rolling deploy fails no request, and loses nothing', { skip }, async (t) => {
  const lines: string[] = []
  const { tally, failed, badExits, broken } = await runRolling({
    dataDir: newFolder(t),
    times: 2,
    server: path.join(readRun().built, 'server.js'),
    say: (line) => {
      lines.push(line)
    }
  })
  t.ok(tally.acked > 0)
  t.strictSame({ failed, badExits, broken }, { failed: 0, badExits: 0, broken: 0 }, lines.join('\n'))
})

// PostgreSQL fails over to a standby that lacks what was committed last, under writing clients; `npm run ledger -- --failover` is the long form.
import path from 'node:path'
import t from 'tap'
import { countBroken, runFailovers } from '../../scripts/ledger/failover.ts'
import { readRun } from '../databases/run.ts'
import { newFolder } from '../folder.ts'

t.test('an asynchronous standby takes over: nothing else is lost, no token lies, the copies become equal', async (t) => {
  const lines: string[] = []
  const results = await runFailovers({
    dataDir: newFolder(t),
    failovers: ['asynchronous standby'],
    members: 1,
    writing: 700,
    server: path.join(readRun().built, 'server.js'),
    say: (line) => {
      lines.push(line)
    }
  })
  const result = results['asynchronous standby']
  if (result === undefined) throw new Error('nothing was run')
  t.ok(result.gone.users > 0, 'the standby lacked users that were acknowledged, as asynchronous ones may')
  t.match(result, { lostPosts: 0, lies: 0, isSaid: true, areEqual: true }, lines.join('\n'))
  t.equal(countBroken(result), 0, lines.join('\n'))
})

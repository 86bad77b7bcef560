// tap runs this once before the test files.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { TYPESCRIPT_ARGS } from '../../scripts/typescript.ts'

const keeper = spawn(process.execPath, [
  ...TYPESCRIPT_ARGS,
  path.join(import.meta.dirname, 'keep.ts'),
  String(process.ppid)
], {
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  // tap's own loader is of no use to it.
  env: { ...process.env, NODE_OPTIONS: '' }
})
const [word] = await Promise.race([once(keeper, 'message'), once(keeper, 'exit')]) as [unknown]
if (word !== 'ready') process.exit(1)
keeper.disconnect()
keeper.unref()

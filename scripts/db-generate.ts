// `npm run db:generate -- --name <what changed>`: writes the migrations that the tables of both dialects need, under
// one name. Other words go to drizzle-kit as they are, such as --custom for SQL written by hand.
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const words = process.argv.slice(2)

if (!words.some((word) => /^--name(=|$)/.test(word))) {
  console.error('A migration needs a name: npm run db:generate -- --name <what_changed>')
  process.exit(2)
}
for (const dialect of ['postgres', 'sqlite']) {
  const program = path.join(root, 'node_modules', 'drizzle-kit', 'bin.cjs')
  const { status } = spawnSync(process.execPath, [
    program,
    'generate',
    '--config',
    `drizzle/${dialect}.config.ts`,
    ...words
  ], {
    cwd: root,
    stdio: 'inherit'
  })
  if (status !== 0) process.exit(status ?? 1)
}

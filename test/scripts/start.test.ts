import { existsSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { TYPESCRIPT_ARGS, TYPESCRIPT_ENV } from '../../scripts/typescript.ts'
import { newFolder } from '../folder.ts'
import { startNode } from '../process.ts'

const scripts = path.join(import.meta.dirname, '..', '..', 'scripts')

t.test('npm start and the commands start the databases that are missing, and stop them', async (t) => {
  const dataDir = path.join(newFolder(t), 'data')
  const run = (script: string, ...words: string[]) =>
    startNode(t, { DATA_DIR: dataDir, ...TYPESCRIPT_ENV }, [
      ...TYPESCRIPT_ARGS,
      path.join(scripts, script),
      ...words
    ])
  const isStopped = () =>
    existsSync(path.join(dataDir, 'pg18')) && !existsSync(path.join(dataDir, 'pg18', 'postmaster.pid'))

  const server = run('start.ts')
  const users = await fetch(`${await server.origin}/users`)
  t.equal(users.status, 200)
  t.ok((await users.json() as unknown[]).length > 0, 'with sample data')
  t.match(server.errors(), /^Creating PostgreSQL 18 in /, 'what takes long is told')
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0)
  t.match(server.log.at(-1), { msg: 'closed' })
  t.ok(isStopped(), 'its PostgreSQL has ended before it')

  const command = run('with-databases.ts', 'outbox', 'nonsense')
  t.equal(await command.ended, 2, 'a command keeps its exit code')
  t.match(command.errors(), 'npm run outbox')
  t.ok(isStopped(), 'and its databases end with it')
})

t.test('npm start says where settings come from to who gives it options', async (t) => {
  const server = startNode(t, TYPESCRIPT_ENV, [...TYPESCRIPT_ARGS, path.join(scripts, 'start.ts'), '--port=4000'])
  t.equal(await server.ended, 2)
  t.match(server.errors(), /^npm start takes no options, and does not know --port=4000: .*PORT=4000 npm start\n$/)
})

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { TYPESCRIPT_ARGS } from '../../scripts/typescript.ts'
import { newFolder } from '../folder.ts'
import { failure, fileApp, openApp, otherProgram } from './sqlite-app.ts'

t.test('files', async (t) => {
  const opening = (t: Test, url: string) => failure(openApp(t, url))
  const oneLine = (t: Test, error: unknown, pattern: RegExp) => {
    t.match(error, { code: 'SQLITE_FILE', message: pattern })
    t.notMatch(error, { message: /\n/ })
  }

  t.test('what cannot be opened is told in one line', async (t) => {
    const folder = newFolder(t)
    writeFileSync(path.join(folder, 'text.db'), 'this is no database, whatever its name says. '.repeat(100))
    mkdirSync(path.join(folder, 'folder.db'))
    oneLine(t, await opening(t, `file:${folder}/text.db`), /text\.db is not an SQLite database, and was left as it is/)
    t.match(readFileSync(path.join(folder, 'text.db'), 'utf8'), /^this is no database/)
    oneLine(t, await opening(t, `file:${folder}/folder.db`), /is not a file/)
    oneLine(t, await opening(t, `file:${folder}/missing/app.db`), /missing does not exist: create it/)
    t.notOk(existsSync(path.join(folder, 'missing')))
    oneLine(t, await opening(t, `file:${folder}/text.db/app.db`), /is not a folder/)
    oneLine(t, await opening(t, 'file:'), /names no file/)
  })

  t.test('a read-only file and a read-only folder, as an ordinary user', { skip: isClosed() }, async (t) => {
    const folder = newFolder(t)
    for (const name of ['open', 'closed']) mkdirSync(path.join(folder, name))
    writeFileSync(path.join(folder, 'open', 'app.db'), '')
    chmodSync(folder, 0o755)
    chmodSync(path.join(folder, 'open'), 0o777)
    chmodSync(path.join(folder, 'open', 'app.db'), 0o444)
    chmodSync(path.join(folder, 'closed'), 0o555)
    const script = `
      if (process.getuid() === 0) process.setuid(65534)
      const { tryFile } = await import(${
      JSON.stringify(path.join(import.meta.dirname, '../../plugins/sql/sqlite/file.ts'))
    })
      for (const file of ['open/app.db', 'closed/app.db']) try { await tryFile(${
      JSON.stringify(folder)
    } + '/' + file) } catch (error) { console.log(error.message) }`
    const { stdout } = spawnSync(process.execPath, [...TYPESCRIPT_ARGS, '--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' }
    })
    t.match(stdout, /app\.db is read-only for this user/)
    t.match(stdout, /closed cannot be written/)
  })

  t.test('a second instance is refused; a killed one leaves nothing to clean up', async (t) => {
    const { app, file } = await fileApp(t)
    oneLine(t, await opening(t, `file:${file}`), /in use by another instance of this service/)
    await app.close()
    t.notOk(existsSync(`${file}-instance`))
    const other = await otherProgram(t, `${file}-instance`)
    await other.run('begin exclusive')
    oneLine(t, await opening(t, `file:${file}`), /in use by another instance/)
    await other.kill()
    t.equal(await opening(t, `file:${file}`), undefined)
  })

  t.test('a file that another program has locked entirely is waited for, then named', async (t) => {
    const folder = newFolder(t)
    const file = path.join(folder, 'app.db')
    await migrate(`file:${file}`)
    const other = await otherProgram(t, file)
    await other.run('pragma locking_mode = exclusive; begin exclusive; create table x (v); commit')
    oneLine(t, await opening(t, `file:${file}`), /is locked by another program/)
  })

  t.test('what is written is there after the app has closed', async (t) => {
    const { app, pool, file } = await fileApp(t)
    await pool.query('create table t (v)')
    await pool.query('insert into t values (1)')
    await app.close()
    const again = await openApp(t, `file:${file}`)
    t.equal((await again.pool.query('select * from t')).rowCount, 1)
  })

  t.test('paths: relative, absolute, percent-encoded', async (t) => {
    const folder = newFolder(t)
    mkdirSync(path.join(folder, 'with space'))
    const { app } = await openApp(t, `file://${folder}/with%20space/app.db`)
    t.ok(existsSync(path.join(folder, 'with space', 'app.db')))
    await app.close()
  })
})

// The checkout may lie in a folder that only its owner may enter, such as /root.
function isClosed (): string | false {
  if (process.getuid?.() !== 0) return false
  const nobody = { uid: 65534, gid: 65534, env: {} }
  const { status } = spawnSync(process.execPath, ['-e', 'fs.accessSync(process.argv[1])', import.meta.filename], nobody)
  return status === 0 ? false : 'an ordinary user may not enter the folder of the checkout'
}

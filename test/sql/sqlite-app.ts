import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Test } from 'tap'
import type { Settings } from '../../schemas/settings.ts'
import { newFolder } from '../folder.ts'
import { smallApp } from './small-app.ts'

/** Of a transaction whose caller waits for as long as it takes. */
export const never = () => false
/** What a promise is rejected with. */
export const failure = (work: Promise<unknown>) => work.then(() => undefined, (reason: unknown) => reason)

/** The small app on a new file. */
export async function fileApp (t: Test, settings: Partial<Settings> = {}) {
  const file = path.join(newFolder(t), 'app.db')
  return { file, ...await openApp(t, `file:${file}`, settings) }
}

/** The small app on an SQLite database. */
export async function openApp (t: Test, url: string, settings: Partial<Settings> = {}) {
  const { app, log } = await smallApp(t, { DATABASE_URL: url, ...settings })
  const { sqlite } = app
  if (sqlite === undefined) throw new Error('the app does not run on SQLite')
  return { app, log, pool: sqlite }
}

const program = `
  import Libsql from 'libsql'
  const database = new Libsql(process.argv[1], { timeout: 0 })
  process.on('message', (sql) => {
    database.exec(sql)
    process.send('done')
  })
  process.send('ready')`

/** Another process that has the file open and runs what it is told. */
export async function otherProgram (t: Test, file: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  await once(child, 'message')
  const isGone = () => child.exitCode !== null || child.signalCode !== null
  const kill = async () => {
    if (isGone()) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  t.teardown(kill)
  return {
    kill,
    run: async (sql: string) => {
      child.send(sql)
      await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(() => {
          throw new Error(`the other program ended at ${sql}`)
        })
      ])
    }
  }
}

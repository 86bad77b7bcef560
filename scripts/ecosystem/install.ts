import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { installLocked } from '../install-locked.ts'
import { stagePackage } from '../publishing/pack.ts'

const folder = path.join(import.meta.dirname, 'packages')
const modules = path.join(folder, 'node_modules')

/**
 * Installs the packages unless they are there as the lock says, then puts the plugin beside them as it is
 * published.
 */
export async function install (): Promise<void> {
  await installLocked(folder, 'the plugins to be tried')
  const place = path.join(modules, 'fastify-transaction')
  rmSync(place, { recursive: true, force: true })
  stagePackage('transaction', place)
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

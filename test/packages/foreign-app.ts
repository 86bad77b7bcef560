import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packPackage } from '../../scripts/publishing/pack.ts'
import { newFolder } from '../folder.ts'

const run = promisify(execFile)
const root = path.join(import.meta.dirname, '../..')
/** Without the conditions that let this repository use its sources. */
export const env = { ...process.env, NODE_OPTIONS: '' }

/** Packages of this repository, by their folder. */
export type Ours = 'transaction' | 'outbox' | 'change-stream' | 'dev-databases'
/** Where others' packages are found; the first that has one is taken. */
const ROOT_MODULES = [path.join(root, 'node_modules')]

const packed = new Map<Ours, Promise<string>>()

/** Packs a package as it is published, once for all tests of this process. */
function pack (name: Ours): Promise<string> {
  const known = packed.get(name)
  if (known !== undefined) return known
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-packed-'))
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true })
  })
  const tarball = packPackage(name, folder)
  packed.set(name, tarball)
  return tarball
}

export interface ForeignApp {
  folder: string
  write: (name: string, text: string) => void
  node: (name: string, ...args: string[]) => Promise<string>
  /** What the compiler says about the files that were written; empty when it has nothing to say. */
  check: (options?: object) => Promise<string>
}

export interface Wanted {
  /** Default: fastify-transaction. */
  ours?: Ours[]
  /** Folders to look for `packages` in. Default: node_modules of this repository. */
  modules?: string[]
}

/** An empty app in a folder of its own, with our tarballs installed and nothing but the named packages beside them. */
export async function foreignApp (
  t: Test,
  packages: string[],
  { ours = ['transaction'], modules = ROOT_MODULES }: Wanted = {}
): Promise<ForeignApp> {
  const folder = newFolder(t)
  for (const name of ours) {
    const installed = path.join(folder, 'node_modules', name === 'dev-databases' ? name : `fastify-${name}`)
    mkdirSync(installed, { recursive: true })
    await run('tar', ['-xzf', await pack(name), '-C', installed, '--strip-components=1'])
  }
  for (const name of packages) {
    const place = path.join(folder, 'node_modules', name)
    const from = modules.map((each) => path.join(each, name)).find((each) => existsSync(each))
    if (from === undefined) throw new Error(`${name} is in none of ${modules.join(', ')}`)
    mkdirSync(path.dirname(place), { recursive: true })
    symlinkSync(from, place, 'dir')
  }
  const write = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text)
  }
  write('package.json', JSON.stringify({ name: 'foreign-app', type: 'module', private: true }))
  return {
    folder,
    write,
    node: async (name, ...args) => (await run(process.execPath, [name, ...args], { cwd: folder, env })).stdout.trim(),
    check: (options) => check(folder, write, options)
  }
}

async function check (folder: string, write: ForeignApp['write'], options: object = {}): Promise<string> {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023'],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    types: ['node'],
    ...options
  }
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts', '*.cts'] }))
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  return await run(process.execPath, [tsc, '-p', folder], { cwd: folder, env }).then(
    () => '',
    (error: { stdout: string }) => error.stdout
  )
}

/** The code blocks of pages of a package, in one language. */
export function codeBlocks (pages: string[], language: 'js' | 'ts'): string[] {
  const texts = pages.map((page) => readFileSync(page, 'utf8'))
  return [...texts.join('\n').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language).map((
    [, , code]
  ) => code ?? '')
}

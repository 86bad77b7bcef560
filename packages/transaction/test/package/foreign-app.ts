import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { newFolder } from '../../../../test/folder.ts'

const run = promisify(execFile)
const source = path.join(import.meta.dirname, '../..')
const root = path.join(source, '../..')
const env = { ...process.env, NODE_OPTIONS: '' }

/** Packs the plugin as `npm publish` would. */
export async function pack (t: Test): Promise<string> {
  const folder = newFolder(t)
  // The build before packing is a script of our own, also where those of installed packages are off.
  await run('npm', ['pack', source, '--pack-destination', folder, '--offline', '--ignore-scripts=false'], {
    cwd: root,
    env
  })
  const [tarball = 'no tarball'] = readdirSync(folder)
  return path.join(folder, tarball)
}

export interface ForeignApp {
  folder: string
  write: (name: string, text: string) => void
  node: (name: string, ...args: string[]) => Promise<string>
  /** What the compiler says about the files that were written; empty when it has nothing to say. */
  check: (options?: object) => Promise<string>
}

/** An empty app in a folder of its own, with the tarball installed and nothing but the named packages beside it. */
export async function foreignApp (t: Test, tarball: string, packages: string[]): Promise<ForeignApp> {
  const folder = newFolder(t)
  const installed = path.join(folder, 'node_modules/fastify-transaction')
  mkdirSync(installed, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  for (const name of packages) {
    const place = path.join(folder, 'node_modules', name)
    mkdirSync(path.dirname(place), { recursive: true })
    symlinkSync(path.join(root, 'node_modules', name), place, 'dir')
  }
  const write = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text)
  }
  write('package.json', JSON.stringify({ name: 'foreign-app', type: 'module', private: true }))
  return {
    folder,
    write,
    node: async (name, ...args) => (await run(process.execPath, [name, ...args], { cwd: folder, env })).stdout.trim(),
    async check (options = {}) {
      const compilerOptions = {
        target: 'es2023',
        lib: ['es2023'],
        module: 'nodenext',
        strict: true,
        noEmit: true,
        types: ['node'],
        ...options
      }
      write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }))
      const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
      return await run(process.execPath, [tsc, '-p', folder], { cwd: folder, env }).then(
        () => '',
        (error: { stdout: string }) => error.stdout
      )
    }
  }
}

/** The code blocks of the plugin's README and of the pages in docs/, in one language; those of the README first. */
export async function readmeBlocks (language: 'js' | 'ts'): Promise<string[]> {
  const pages = readdirSync(path.join(source, 'docs')).sort().map((name) => path.join('docs', name))
  const texts = await Promise.all(['README.md', ...pages].map((name) => readFile(path.join(source, name), 'utf8')))
  return [...texts.join('\n').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language).map((
    [, , code]
  ) => code ?? '')
}

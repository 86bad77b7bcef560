import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { buildPackage } from './build.ts'
import { readManifest, toPublished } from './manifest.ts'

const root = path.join(import.meta.dirname, '..', '..')
const KEPT = ['README.md', 'CHANGELOG.md', 'LICENSE', 'docs', 'examples']

/** The folders of packages/ that hold a package. */
export function listPackages (): string[] {
  const all = readdirSync(path.join(root, 'packages'))
  return all.filter((name) => existsSync(path.join(root, 'packages', name, 'package.json'))).sort()
}

/** Where a package lies. */
export function getHome (name: string): string {
  return path.join(root, 'packages', name)
}

/**
 * Puts what is published of a package into an empty folder.
 * @param name its folder in packages/
 * @throws Error when it does not compile
 */
export function stagePackage (name: string, folder: string): void {
  const home = getHome(name)
  mkdirSync(folder, { recursive: true })
  buildPackage(home, path.join(folder, 'dist'))
  for (const file of KEPT) {
    if (existsSync(path.join(home, file))) cpSync(path.join(home, file), path.join(folder, file), { recursive: true })
  }
  const manifest = {
    ...toPublished(readManifest(home), `packages/${name}`),
    files: ['CHANGELOG.md', 'dist', 'docs', 'examples']
  }
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

/**
 * Packs a package as it is published.
 * @returns the path of the tarball
 */
export async function packPackage (name: string, destination: string): Promise<string> {
  const staged = mkdtempSync(path.join(tmpdir(), 'tandem-package-'))
  try {
    stagePackage(name, staged)
    const { stdout } = await promisify(execFile)('npm', [
      'pack',
      staged,
      '--pack-destination',
      destination,
      '--ignore-scripts',
      '--json'
    ], { cwd: root })
    const [packed] = JSON.parse(stdout) as Array<{ filename: string }>
    return path.join(destination, packed?.filename ?? '')
  } finally {
    rmSync(staged, { recursive: true, force: true })
  }
}

// `npm run check:packages`: packs each package as it is published and looks at the tarball: publint, attw (types for
// every way of importing), and what it exports beside packages/<name>/api.md. `-- --write` accepts what has changed.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { installLocked } from '../install-locked.ts'
import { describeApi } from './api-report.ts'
import { getEntries, readManifest } from './manifest.ts'
import { getHome, listPackages, packPackage } from './pack.ts'

const run = promisify(execFile)
const isWriting = process.argv.includes('--write')
const tools = path.join(import.meta.dirname, 'packages')

await installLocked(tools, 'publint and attw')
const failed: string[] = []
await Promise.all(listPackages().map(checkPackage))
console.log(failed.length === 0 ? 'The packages can be published.' : failed.join('\n'))
process.exitCode = failed.length === 0 ? 0 : 1

async function checkPackage (name: string): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-publish-'))
  try {
    const tarball = await packPackage(name, folder)
    await run('tar', ['-xzf', tarball, '-C', folder])
    compareApi(name, path.join(folder, 'package'))
    await look(name, 'publint', ['run', tarball, '--strict'])
    await look(name, 'attw', [tarball, '--format', 'ascii'])
    console.log(`looked at ${name}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function look (name: string, tool: string, args: string[]): Promise<void> {
  await run(path.join(tools, 'node_modules', '.bin', tool), args).catch(
    (error: { stdout?: string; stderr?: string }) => {
      failed.push(`${name}: ${tool} says:\n${error.stdout ?? ''}${error.stderr ?? ''}`)
    }
  )
}

function compareApi (name: string, unpacked: string): void {
  const manifest = readManifest(getHome(name))
  const names = Object.keys(manifest.exports).filter((key) => key !== './package.json')
  const entries = getEntries(manifest).map((entry, index) => ({
    name: path.posix.join(manifest.name, names[index] ?? ''),
    file: path.join(unpacked, 'dist', `${entry}.d.ts`)
  }))
  const api = describeApi(manifest.name, path.join(unpacked, 'dist'), entries)
  const file = path.join(getHome(name), 'api.md')
  if (isWriting) writeFileSync(file, api)
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== api) {
    failed.push(
      `${name}: what it exports is not what packages/${name}/api.md says. If that is meant, say so in packages/${name}/CHANGELOG.md and run: npm run check:packages -- --write`
    )
  }
}

// `npm run release`: publishes each package whose version the registry does not have. The release workflow runs it;
// `-- --dry-run` shows what would be published.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readManifest } from './manifest.ts'
import { getHome, listPackages, stagePackage } from './pack.ts'

const isDry = process.argv.includes('--dry-run')

for (const folder of listPackages()) {
  const { name, version } = readManifest(getHome(folder))
  if (isPublished(name, version)) console.log(`${name} ${version} is published`)
  else publish(folder, name, version)
}

function isPublished (name: string, version: string): boolean {
  const { status, stdout, stderr } = npm('view', `${name}@${version}`, 'version', '--json')
  if (status === 0) return stdout.trim() !== ''
  if (stdout.includes('E404')) return false
  throw new Error(
    `the registry does not say whether it has ${name} ${version}; nothing was published: ${stderr.trim()}`
  )
}

function publish (folder: string, name: string, version: string): void {
  const staged = mkdtempSync(path.join(tmpdir(), 'tandem-release-'))
  try {
    stagePackage(folder, staged)
    const { status, stdout, stderr } = npm(
      'publish',
      staged,
      '--access',
      'public',
      isDry ? '--dry-run' : '--provenance'
    )
    if (status !== 0) throw new Error(`${name} ${version} was not published: ${stderr.trim()}`)
    console.log(stdout, stderr)
    // The workflow makes tags and releases of these lines.
    if (!isDry) console.log(`New tag: ${name}@${version}`)
  } finally {
    rmSync(staged, { recursive: true, force: true })
  }
}

function npm (...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('npm', args, { encoding: 'utf8' })
}

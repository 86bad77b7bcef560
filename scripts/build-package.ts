// Compiles a package of packages/ from src/ into dist/, with declarations that are fit for other apps: `tsx
// scripts/build-package.ts <folder>`, or without a folder inside of one, as its `prepack` does.
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

interface Manifest {
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const [folder = '.', ...flags] = process.argv.slice(2)
buildPackage(path.resolve(folder), flags)

/**
 * Other processes may load the package meanwhile, so the new dist/ takes the place of the old one when it is complete.
 */
function buildPackage (home: string, flags: string[]): void {
  const dist = path.join(home, 'dist')
  const fresh = `${dist}.${process.pid}`
  try {
    const { status } = spawnSync(process.execPath, [
      tsc,
      '-p',
      path.join(home, 'tsconfig.build.json'),
      '--outDir',
      fresh,
      ...flags
    ], { stdio: 'inherit' })
    if (status !== 0) throw new Error(`${home} was not built: tsc ended with ${String(status)}`)
    copyRest(path.join(home, 'src'), fresh)
    fixDeclarations(fresh, getOptionalPeers(home))
    rmSync(dist, { recursive: true, force: true })
    renameSync(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Copies what tsc leaves out, such as plain JavaScript. */
function copyRest (from: string, to: string): void {
  for (const file of listFiles(from)) if (!file.endsWith('.ts')) cpSync(path.join(from, file), path.join(to, file))
}

function fixDeclarations (dist: string, optionalPeers: string[]): void {
  for (const file of listFiles(dist).filter((name) => name.endsWith('.d.ts'))) {
    const text = readFileSync(path.join(dist, file), 'utf8').split('\n').flatMap((line) => {
      // Where an optional peer is missing its types become `any`, and the app still compiles.
      const isOptional = optionalPeers.some((name) =>
        new RegExp(`^(import|export) .* from '${name}(/[^']*)?';$`).test(line)
      )
      return [...(isOptional ? ['// @ts-ignore: an optional peer'] : []), line]
    }).join('\n')
    // Specifiers that exist there.
    writeFileSync(path.join(dist, file), text.replaceAll(/(['"]\.{1,2}\/[\w./-]+)\.ts(['"])/g, '$1.js$2'))
  }
}

/** The packages that an app may leave out; those whose types alone are optional count too. */
function getOptionalPeers (home: string): string[] {
  const { peerDependenciesMeta = {} } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as Manifest
  return Object.entries(peerDependenciesMeta).filter(([, { optional }]) => optional).map(([name]) =>
    name.replace(/^@types\//, '')
  )
}

function listFiles (folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) =>
    path.relative(folder, path.join(entry.parentPath, entry.name))
  )
}

import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { getEntries, readManifest } from './manifest.ts'

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

/**
 * Compiles a package from src/ to JavaScript and declarations that are fit for other apps, for ES modules and CommonJS.
 * @param home the package
 * @param dist where the result goes; what was there before is removed
 * @param flags further arguments of tsc
 * @throws Error when it does not compile
 */
export function buildPackage (home: string, dist: string, flags: string[] = []): void {
  // Inside the package, where its imports are found, and where no tool of this repository looks.
  const fresh = path.join(home, 'node_modules', `.build-${process.pid}`)
  try {
    const { status, stdout } = spawnSync(process.execPath, [
      tsc,
      '-p',
      path.join(home, 'tsconfig.build.json'),
      '--outDir',
      fresh,
      ...flags
    ], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${home} was not built: tsc ended with ${String(status)}\n${stdout}`)
    copyRest(path.join(home, 'src'), fresh)
    fixDeclarations(fresh, getOptionalPeers(home))
    // Node looks no further up than node_modules for it.
    writeFileSync(path.join(fresh, 'package.json'), '{ "type": "module" }\n')
    for (const entry of getEntries(readManifest(home))) writeCommonJs(fresh, entry)
    rmSync(path.join(fresh, 'package.json'))
    rmSync(dist, { recursive: true, force: true })
    cpSync(fresh, dist, { recursive: true })
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
      // Where an optional peer is missing its types become `any`, and the app still compiles. The compiler complains
      // about the line that names the peer.
      const isOptional = optionalPeers.some((name) =>
        new RegExp(`^((import|export) .*|\\}) from '${name}(/[^']*)?';$`).test(line)
      )
      return [...(isOptional ? ['// @ts-ignore: an optional peer'] : []), line]
    }).join('\n')
    // Specifiers that exist there.
    writeFileSync(path.join(dist, file), text.replaceAll(/(['"]\.{1,2}\/[\w./-]+)\.ts(['"])/g, '$1.js$2'))
  }
}

/**
 * What `require` finds: the same module, loaded by Node, under names that compilers and bundlers can read. The types
 * are those of the ES module, so that an app which uses both has each of them once.
 */
function writeCommonJs (dist: string, entry: string): void {
  const source = `./${path.posix.basename(entry)}.js`
  const types = [
    `import type * as module from '${source}' with { 'resolution-mode': 'import' };`,
    `export type * from '${source}' with { 'resolution-mode': 'import' };`
  ]
  const code = [
    "'use strict'",
    `const module_ = require('${source}')`,
    "Object.defineProperty(exports, '__esModule', { value: true })"
  ]
  for (const [name, kind] of Object.entries(readExports(path.join(dist, `${entry}.js`)))) {
    code.push(`exports.${name} = module_.${name}`)
    if (name === 'default') types.push('declare const plugin: typeof module.default;', 'export default plugin;')
    else types.push(`export declare const ${name}: typeof module.${name};`)
    if (kind === 'class') types.push(`export type ${name} = module.${name};`)
  }
  const declarations = readFileSync(path.join(dist, `${entry}.d.ts`), 'utf8')
  const own = HAS_TYPES_OF_EACH.test(declarations) ? keepTypes(declarations) : `${types.join('\n')}\n`
  writeFileSync(path.join(dist, `${entry}.d.cts`), own)
  writeFileSync(path.join(dist, `${entry}.cjs`), `${code.join('\n')}\n`)
}

/** Drizzle's classes are declared twice, for ES modules and for CommonJS: an app needs those that it uses itself. */
const HAS_TYPES_OF_EACH = /from 'drizzle-orm/

/** Declarations whose own files are those of the ES module, and all others as CommonJS finds them. */
function keepTypes (declarations: string): string {
  return declarations.replaceAll(/^(import .* from '\.[^']*');$/gm, "$1 with { 'resolution-mode': 'import' };")
}

// Run in a process of its own: what loads TypeScript into this one need not see what was compiled.
const LIST_EXPORTS = `const module = await import(process.argv[1])
const isClass = (value) => typeof value === 'function' && Function.prototype.toString.call(value).startsWith('class')
console.log(JSON.stringify(Object.fromEntries(Object.keys(module).sort().map((name) => [name, isClass(module[name]) ? 'class' : 'value']))))`

/** The names that a module exports, and which of them are classes. */
function readExports (file: string): Record<string, 'class' | 'value'> {
  const args = ['--input-type=module', '--eval', LIST_EXPORTS, pathToFileURL(file).href]
  const options = { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } } as const
  const { stdout, stderr, status } = spawnSync(process.execPath, args, options)
  if (status !== 0) throw new Error(`${file} cannot be loaded:\n${stderr}`)
  return JSON.parse(stdout) as Record<string, 'class' | 'value'>
}

/** The packages that an app may leave out; those whose types alone are optional count too. */
function getOptionalPeers (home: string): string[] {
  const { peerDependenciesMeta = {} } = readManifest(home)
  return Object.entries(peerDependenciesMeta).filter(([, { optional }]) => optional).map(([name]) =>
    name.replace(/^@types\//, '')
  )
}

function listFiles (folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) =>
    path.relative(folder, path.join(entry.parentPath, entry.name))
  )
}

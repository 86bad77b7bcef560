// Packages of hundreds of small files become a few in dist/node_modules: at the start Node takes almost a millisecond for
// each. Of Drizzle, Node 22 and later would read 178 kB of package.json again for each file.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { build, type Plugin } from 'esbuild'
import ts from 'typescript'

interface Manifest {
  name: string
  version: string
  license: string
  dependencies?: Record<string, string>
}

const root = path.join(import.meta.dirname, '..')
const requireHere = createRequire(path.join(root, 'package.json'))

// Packages whose files nobody patches by their path, as tracing agents do with those of pg, mongodb, fastify and pino.
const MODULES = ['drizzle-orm', '@sinclair/typebox']
const COMMONJS = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'prom-client']

/**
 * Puts what the compiled files import of these packages, with all that it needs in turn, into dist/node_modules, where
 * Node looks first. All of it shares one copy of each class. What is imported under a name that is worked out while the
 * service runs is not found.
 *
 * @param dist the compiled service; its own packages lie compiled in its folder packages
 * @throws Error when something imports what a package does not have
 */
export async function bundlePackages (dist: string): Promise<void> {
  const own = findOwn(dist)
  const bundled = [...MODULES, ...COMMONJS, ...Object.keys(own)]
  const { dependencies = {} } = readManifest(root)
  const specifiers = findImports(dist).filter((specifier) => bundled.includes(getPackage(specifier)))
  await build({
    entryPoints: specifiers.map((specifier) => ({ in: specifier, out: toOutput(specifier) })),
    outdir: path.join(dist, 'node_modules'),
    chunkNames: '.chunks/[hash]',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    external: Object.keys(dependencies).filter((name) => !bundled.includes(name)),
    alias: own,
    plugins: [commonJs],
    // CommonJS asks for the modules of Node by this name.
    banner: { js: "import { createRequire as from } from 'node:module'; const require = from(import.meta.url);" }
  })
  for (const name of new Set(specifiers.map(getPackage))) writeManifest(dist, name)
}

/** Packages of this repository by name, with the folder of their compiled files. */
function findOwn (dist: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(path.join(dist, 'packages')).map((folder) => [
      readManifest(path.join(root, 'packages', folder)).name,
      path.join(dist, 'packages', folder, 'src')
    ])
  )
}

/** An entry that is CommonJS: a module with the names of what it exports. */
const commonJs: Plugin = {
  name: 'commonjs',
  setup ({ onResolve, onLoad }) {
    onResolve(
      { filter: /./ },
      ({ path: name, kind }) =>
        kind === 'entry-point' && COMMONJS.includes(name) ? { path: name, namespace: 'commonjs' } : undefined
    )
    onLoad({ filter: /./, namespace: 'commonjs' }, ({ path: name }) => {
      const names = Object.keys(requireHere(name) as object).filter((key) => key !== 'default')
      const exported = `export default all\nexport const { ${names.join(', ')} } = all`
      const contents = `const all = require('${name}')\n${exported}\n`
      return { contents, resolveDir: root }
    })
  }
}

/** What compiled files import, once each. */
function findImports (dist: string): string[] {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
  return [...new Set(files.flatMap((file) => readImports(path.join(dist, file))))]
}

function readImports (file: string): string[] {
  return ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles.map(({ fileName }) => fileName)
}

function getPackage (specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

function toOutput (specifier: string): string {
  return getPackage(specifier) === specifier ? `${specifier}/index` : specifier
}

function writeManifest (dist: string, name: string): void {
  const { version, license } = readManifest(path.join(root, 'node_modules', name))
  const exports = { '.': './index.mjs', './*': './*.mjs' }
  const manifest = { name, version, license, type: 'module', exports }
  writeFileSync(path.join(dist, 'node_modules', name, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

function readManifest (folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest
}

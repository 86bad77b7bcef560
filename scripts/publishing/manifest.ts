import { readFileSync } from 'node:fs'
import path from 'node:path'

interface Target {
  'tandem-source': string
  import: Record<'types' | 'default', string>
  require: Record<'types' | 'default', string>
}

/** What is read of a package.json. */
export interface Manifest {
  name: string
  version: string
  exports: Record<string, string | Target>
  scripts?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
  [field: string]: unknown
}

/** The package.json of a folder. */
export function readManifest (home: string): Manifest {
  return JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as Manifest
}

/** The modules that a package exports, as paths below dist/ without an ending. */
export function getEntries (manifest: Manifest): string[] {
  const targets = Object.values(manifest.exports).filter((target) => typeof target !== 'string')
  return targets.map((target) => target['tandem-source'].replace(/^\.\/src\//, '').replace(/\.ts$/, ''))
}

/**
 * The package.json that is published: without what only this repository can use, and with the fields that resolvers
 * from before `exports` look at.
 * @param environment where it says which repository publishes, as GitHub's workflows do, the manifest says so too
 */
export function toPublished (source: Manifest, folder: string, environment: NodeJS.ProcessEnv = process.env): Manifest {
  const exports = Object.entries(source.exports).map(([name, target]) => {
    if (typeof target === 'string') return [name, target]
    const { 'tandem-source': _ours, ...conditions } = target
    return [name, conditions]
  })
  const { scripts: _scripts, ...rest } = source
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = environment
  const [, ...subpaths] = getEntries(source)
  return {
    ...rest,
    ...(repository !== undefined && {
      repository: { type: 'git', url: `git+${server ?? 'https://github.com'}/${repository}.git`, directory: folder }
    }),
    main: './dist/index.cjs',
    types: './dist/index.d.ts',
    ...(subpaths.length > 0 && {
      typesVersions: {
        '*': Object.fromEntries(subpaths.map((entry) => [path.posix.basename(entry), [`./dist/${entry}.d.ts`]]))
      }
    }),
    exports: Object.fromEntries(exports) as Manifest['exports']
  }
}

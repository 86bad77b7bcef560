// `npm run build`: the service and its commands as JavaScript in dist/, with migrations. The tests build into another
// folder, unchecked: tsx scripts/build.ts <folder> --noCheck
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const [folder = 'dist', ...flags] = process.argv.slice(2)
const dist = path.resolve(root, folder)
const STATUS_PAGE = ['page.html', 'page.css', 'page-script.js', 'series.js'].map((file) => `plugins/admin/${file}`)

// Autoload would load a route that was deleted since the last build.
rmSync(dist, { recursive: true, force: true })
const tsc = spawnSync(path.join(root, 'node_modules', '.bin', 'tsc'), [
  '-p',
  'scripts/tsconfig.build.json',
  '--outDir',
  dist,
  ...flags
], { cwd: root, stdio: 'inherit' })
if (tsc.status !== 0) process.exit(1)
// A service without a resource yet has none to compile, and autoload wants the folder.
mkdirSync(path.join(dist, 'routes'), { recursive: true })
// tsc has compiled the packages that the service imports by name: they go where Node looks for that name.
for (const folder of readdirSync(path.join(dist, 'packages'))) {
  const manifest = path.join(root, 'packages', folder, 'package.json')
  const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name: string }
  const place = path.join(dist, 'node_modules', name)
  mkdirSync(place, { recursive: true })
  renameSync(path.join(dist, 'packages', folder, 'src'), path.join(place, 'dist'))
  cpSync(manifest, path.join(place, 'package.json'))
}
rmSync(path.join(dist, 'packages'), { recursive: true })
copyDrizzle()
// tsc copies neither SQL nor plain JavaScript, HTML and CSS.
for (const file of ['package.json', 'drizzle/migrations', ...STATUS_PAGE]) {
  cpSync(path.join(root, file), path.join(dist, file), { recursive: true })
}

/**
 * Drizzle's package.json has 178 kB of exports, which Node 22 and later parse again for each of its modules: at the
 * start of the service 0.8 s and 90 MiB on Node 24. A copy says the same in a few lines.
 */
function copyDrizzle (): void {
  const from = path.join(root, 'node_modules', 'drizzle-orm')
  const to = path.join(dist, 'node_modules', 'drizzle-orm')
  cpSync(from, to, { recursive: true, filter: (file) => statSync(file).isDirectory() || file.endsWith('.js') })
  const { name, version, license, type, exports } = JSON.parse(
    readFileSync(path.join(from, 'package.json'), 'utf8')
  ) as Record<string, string> & { exports: Record<string, { default?: string }> }
  // What is no folder is a file of the same name.
  const folders = Object.entries(exports).flatMap(([key, { default: file }]) =>
    file?.endsWith('/index.js') === true ? [[key, file]] : []
  )
  const manifest = { name, version, license, type, exports: { ...Object.fromEntries(folders), './*': './*.js' } }
  writeFileSync(path.join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

// `npm run build`: the service and its commands as JavaScript in dist/, with migrations. The tests build into another
// folder, unchecked: tsx scripts/build.ts <folder> --noCheck
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { bundlePackages } from './bundle.ts'

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
await bundlePackages(dist)
rmSync(path.join(dist, 'packages'), { recursive: true })
// tsc copies neither SQL nor plain JavaScript, HTML and CSS.
for (const file of ['package.json', 'drizzle/migrations', ...STATUS_PAGE]) {
  cpSync(path.join(root, file), path.join(dist, file), { recursive: true })
}

// `npm run build`: the service as JavaScript in dist/, with its migrations. Also starts embedded databases, for a look at the built service.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const dist = path.join(root, 'dist')
const STATUS_PAGE = ['page.html', 'page.css', 'page-script.js', 'series.js'].map((file) => `plugins/admin/${file}`)

// Autoload would load a route that was deleted since the last build.
rmSync(dist, { recursive: true, force: true })
const tsc = spawnSync(path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (tsc.status !== 0) process.exit(1)
// tsc copies neither SQL nor plain JavaScript, HTML and CSS.
for (const file of ['drizzle/migrations', 'scripts/embedded/keeper.mjs', ...STATUS_PAGE]) {
  cpSync(path.join(root, file), path.join(dist, file), { recursive: true })
}

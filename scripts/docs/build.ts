// `npm run docs`: the documentation as a site in docs/site/dist, from docs/ and the pages of the packages. The generator
// is installed in docs/site on first use; from then on it needs no network. `-- --serve` shows the site meanwhile.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { installLocked } from '../install-locked.ts'
import { assemble } from './assemble.ts'

const root = path.join(import.meta.dirname, '..', '..')
const site = path.join(root, 'docs', 'site')

await installLocked(site, 'what makes the site')
assemble(root, path.join(site, '.content'))
const command = process.argv.includes('--serve') ? 'dev' : 'build'
const { status } = spawnSync(path.join(site, 'node_modules', '.bin', 'vitepress'), [command, site], {
  stdio: 'inherit'
})
if (status === 0 && command === 'build') console.log('The site is in docs/site/dist.')
process.exitCode = status ?? 1

import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { skip } from '../../scripts/clients/try-tool.ts'
import { tools } from '../../scripts/clients/tools.ts'

const folder = path.join(import.meta.dirname, '..', '..', 'scripts', 'clients')
const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8')

t.test('each tool is there once, its version is pinned, and its program exists', async (t) => {
  const { dependencies } = JSON.parse(read('packages/package.json')) as { dependencies: Record<string, string> }
  const lock = JSON.parse(read('packages/package-lock.json')) as { packages: { '': object } }
  t.match(lock.packages[''], { dependencies }, 'the lock is that of the manifest')
  for (const version of Object.values(dependencies)) t.match(version, /^\d+\.\d+\.\d+$/)
  const python = read('requirements.txt').trim().split('\n')
  for (const line of python) t.match(line, /^[\w.[\]-]+==[\w.]+$/)
  t.equal(new Set(tools.map(({ name }) => name)).size, tools.length)
  for (const { name, needs, program, package: own } of tools) {
    t.equal(needs === 'npm', own in dependencies, `${name}: installed from where it says`)
    t.ok(needs === 'npm' || python.some((line) => line.startsWith(`${own}==`)), name)
    if (program !== undefined) t.ok(existsSync(path.join(folder, 'programs', program)), `${name}: ${program}`)
  }
})

t.test('a tool that cannot be tried is said to be skipped, with the reason', async (t) => {
  const tool = tools.find(({ needs }) => needs === 'python and java')
  if (tool === undefined) throw new Error('no tool needs java')
  t.match(skip(tool, 'there is no java on PATH'), { compiles: 'skipped', works: 'there is no java on PATH' })
})

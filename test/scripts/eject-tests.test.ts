// Which tests stay when the example goes, and what is said of a file that none of them reaches.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { dropTests, type DroppedTests } from '../../scripts/eject/tests.ts'
import type { Tree } from '../../scripts/eject/tree.ts'
import { findCalled, findUntested } from '../../scripts/eject/untested.ts'
import { newFolder } from '../folder.ts'

/** Takes the tests of the example out of some files; what is left of them. */
function drop (files: Record<string, string>): DroppedTests & { left: Record<string, string> } {
  const left = new Map(Object.entries(files))
  const tree = {
    names: () => [...left.keys()],
    has: (name) => left.has(name),
    read: (name) => left.get(name) ?? '',
    write: (name, text) => void left.set(name, text),
    remove: (name) => void left.delete(name),
    removed: () => ['plugins/gone.ts']
  } satisfies Partial<Tree>
  return { ...dropTests(tree as unknown as Tree, () => false), left: Object.fromEntries(left) }
}

t.test('single tests go, with what only they have used', async (t) => {
  const { files, tests, left } = drop({
    'test/a.test.ts': `// About a.
import t from 'tap'
import { one, two } from './helper.ts'

const shared = 1
/** A user. */
const user = () => one('/users')

t.test('of users', async (t) => {
  t.ok(user())
})

// Of the house.
t.test('of the house', async (t) => {
  const user = shared
  t.ok(two(user))
})
`,
    'test/helper.ts': 'export const one = (url: string) => url\nexport const two = (n: number) => n\n'
  })
  t.strictSame(files, [])
  t.strictSame([...tests], [['test/a.test.ts', 1]])
  t.equal(
    left['test/a.test.ts'],
    `// About a.
import t from 'tap'
import { two } from './helper.ts'

const shared = 1

// Of the house.
t.test('of the house', async (t) => {
  const user = shared
  t.ok(two(user))
})
`,
    'a name of another scope is another name'
  )
})

t.test('tests inside a test go one by one, unless a step between them is of the example', async (t) => {
  const nest = (step: string) =>
    `import t from 'tap'\nt.test('all', async (t) => {\n${step}  t.test('of posts', async () => get('/posts'))\n  t.test('other', async (t) => {\n    t.ok(1)\n  })\n})\n`
  t.match(drop({ 'test/a.test.ts': nest('') }).left['test/a.test.ts'], /^(?![^]*posts)[^]*'other'/)
  t.strictSame(drop({ 'test/a.test.ts': nest("  await add('/users')\n") }).files, ['test/a.test.ts'])
})

t.test('what a test needs is followed through files, programs and variables', async (t) => {
  const { files, left } = drop({
    'test/helper.ts': "export async function add () {\n  await sql('insert into users')\n}\nexport const free = 1\n",
    'test/again.ts': "export { add } from './helper.ts'\n",
    'test/a.test.ts': "import t from 'tap'\nimport { add } from './again.ts'\nt.test('adds', async () => add())\n",
    'test/b.test.ts':
      "import t from 'tap'\nimport { add } from './helper.ts'\nlet made: unknown\nt.before(async () => {\n  made = await add()\n})\nt.test('made', async (t) => {\n  t.ok(made)\n})\nt.test('free', async (t) => {\n  t.ok(1)\n})\n",
    'test/c.test.ts':
      "import t from 'tap'\nimport { free } from './helper.ts'\nt.beforeEach(async () => {\n  await truncate('truncate users')\n})\nt.test('free', async (t) => {\n  t.ok(free)\n})\n",
    'test/e.test.ts':
      "import t from 'tap'\nimport { gone } from '../plugins/gone.ts'\nt.test('uses', async () => gone())\n",
    'test/f.test.ts': "import t from 'tap'\nt.test('is text', async (t) => t.ok(`import './never-there.ts'`))\n",
    'test/d.test.ts':
      "import t from 'tap'\nt.test('starts', async () => run(path.join(import.meta.dirname, 'again.ts')))\nt.test('free', async (t) => {\n  t.ok(1)\n})\n"
  })
  t.strictSame(files.toSorted(), ['test/a.test.ts', 'test/again.ts', 'test/c.test.ts', 'test/e.test.ts'])
  t.equal(left['test/helper.ts'], 'export const free = 1\n')
  t.equal(left['test/b.test.ts'], "import t from 'tap'\nt.test('free', async (t) => {\n  t.ok(1)\n})\n")
  t.notMatch(left['test/d.test.ts'], 'starts')
})

t.test('a file is untested of which no function was called, whoever loaded it', async (t) => {
  const root = newFolder(t)
  const files = {
    'app.ts': 'export function build () {}\n',
    'plugins/one.ts': 'export const one = () => 1\n',
    'plugins/type.ts': 'export interface One { one: () => number }\n',
    'plugins/list.ts': 'export const list = [1]\n',
    'scripts/start.ts': 'function start () {}\n'
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), text)
  }
  execFileSync('git', ['init', '--quiet'], { cwd: root })
  execFileSync('git', ['add', '--all'], { cwd: root })
  const folder = newFolder(t)
  const run = (name: string, functionName: string, startOffset: number, count: number) => ({
    url: `${pathToFileURL(root).href}/${name}`,
    functions: [
      { functionName: '', ranges: [{ startOffset: 0, count: 1 }] },
      { functionName, ranges: [{ startOffset, count }] }
    ]
  })
  writeFileSync(path.join(folder, 'a.json'), JSON.stringify({ result: [run('app.ts', 'build', 5, 0)] }))
  writeFileSync(path.join(folder, 'b.json'), JSON.stringify({ result: [run('plugins/one.ts', '__name', 9, 3)] }))
  t.strictSame(findUntested(root, new Set(findCalled(root, folder))), ['app.ts', 'plugins/one.ts'], 'loaded only')
  writeFileSync(path.join(folder, 'c.json'), JSON.stringify({ result: [run('app.ts', 'build', 5, 2)] }))
  t.strictSame(findUntested(root, new Set(findCalled(root, folder))), ['plugins/one.ts'])
})

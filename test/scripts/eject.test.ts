import { execFileSync } from 'node:child_process'
import path from 'node:path'
import t from 'tap'
import { emptyLiteral, pruneImports, removeDeclarations, replaceText } from '../../scripts/eject/code.ts'
import { editFiles } from '../../scripts/eject/edits.ts'
import { importsOf } from '../../scripts/eject/imports.ts'
import { removeExample } from '../../scripts/eject/removed.ts'
import { checkName, renameService } from '../../scripts/eject/rename.ts'
import { openTree } from '../../scripts/eject/tree.ts'

const root = path.join(import.meta.dirname, '..', '..')

// Nothing is saved: the tree is changed in memory.
t.test(
  'what is left knows nothing of the example',
  { skip: isCheckout() ? false : 'not a Git checkout' },
  async (t) => {
    const tree = openTree(root)
    const { files, tests } = removeExample(tree)
    editFiles(tree)
    renameService(tree, 'corner-shop')
    t.ok(files.includes('test/routes/users.test.ts'))
    t.ok(Number(tests.get('test/consistency/projections-sqlite.test.ts')) > 0)
    t.match(
      tree.read('test/consistency/projections-sqlite.test.ts'),
      /t\.test\(/,
      'tests beside those of the example stay'
    )
    t.ok(tree.has('test/routes/conflicts.test.ts'), 'tests that need no example stay')
    t.match(
      tree.read('test/routes/engines.ts'),
      /^(?![^]*copyPosts)[^]*onEachEngine/,
      'what tests of a resource import stays'
    )
    t.ok(tree.has('examples/client/api.ts') && !tree.has('examples/client/shop.ts'), 'a client of no resource stays')
    t.notOk(tree.has('test/examples/client.test.ts'))
    t.notMatch(tree.read('deploy/README.md'), '/users')
    t.match(tree.read('.redocly.yaml'), /^rules:\n(?: {2}#.*\n)? {2}no-unused-components: off$/m)
    t.match(JSON.parse(tree.read('.knip.json')), { workspaces: { '.': { project: Array } }, ignoreBinaries: Array })
    const scripts = (JSON.parse(tree.read('package.json')) as { scripts: Record<string, string> }).scripts
    for (const file of ['.ci/run', ...tree.names().filter((name) => name.startsWith('.github/'))]) {
      for (const [, name = ''] of tree.read(file).matchAll(/npm run ([\w:-]+)/g)) {
        t.ok(scripts[name], `${file} runs ${name}, which stays`)
      }
    }
    const code = tree.names().filter((name) =>
      /^(app|server)\.ts$|^(plugins|routes|schemas|drizzle|test(?!\/scripts\/new)|scripts(?!\/new\/templates|\/clients\/programs))\/.*\.ts$/
        .test(name)
    )
    const gone = new Set(tree.removed())
    for (const name of code) {
      for (const file of importsOf(tree, name)) t.notOk(gone.has(file), `${name} needs ${file}`)
    }
    t.notMatch(tree.read('drizzle/postgres.ts'), /\b(users|orders|posts)\b/i)
    t.match(JSON.parse(tree.read('package.json')), { name: 'corner-shop' })
    t.notMatch(JSON.parse(tree.read('package.json')), { scripts: { bench: String } })
    t.match(tree.read('plugins/openapi.ts'), "title: 'Corner shop'")
    t.match(tree.read('schemas/settings.ts'), "'corner-shop'")
    for (const name of code) t.notMatch(tree.read(name), /\bTandem\b|tandem_|'tandem'/, `${name} has the new name`)
  }
)

t.test(
  'a resource that was made before is not torn apart',
  { skip: isCheckout() ? false : 'not a Git checkout' },
  async (t) => {
    const tree = openTree(root)
    tree.write('routes/products/index.ts', '')
    t.throws(() => removeExample(tree), {
      message: /^routes\/products\/index\.ts is not of the example.* eject in a fresh clone/
    })
    t.ok(tree.has('routes/users/index.ts'), 'nothing was taken out')
  }
)

t.test('a name is one that a package and a database can have', async (t) => {
  for (const name of ['shop', 'corner-shop', 'b2b', 'tandems', 'fastifyable']) t.equal(checkName([name]), name)
  for (
    const [words, message] of [
      [[], /^The service needs a name: npm run eject -- corner-shop$/],
      [[''], /needs a name/],
      [['corner', 'Shop'], /one name, not 2: npm run eject -- corner-shop$/],
      [['My Shop'], /cannot be the name of a package.*; such as my-shop$/],
      [['café_Noir!'], /such as cafe-noir$/],
      [['-shop'], /such as shop$/],
      [['../shop'], /such as shop$/],
      [['2shop'], /such as shop$/],
      [["shop'; rm -rf x"], /such as shop-rm-rf-x$/],
      [['日本'], /such as corner-shop$/],
      [['a--b'], /such as a-b$/],
      [['a'.repeat(41)], /such as a{40}$/],
      [['tandem'], /something else.* such as my-tandem$/],
      [['tandem-2'], /something else/],
      [['fastify-shop'], /something else/],
      [['postgres'], /something else/],
      [['admin'], /something else/],
      [['typescript'], /something else.* such as my-typescript$/]
    ] as const
  ) t.throws(() => checkName([...words], new Set(['typescript'])), { message }, words.join(' '))
})

t.test('what a file starts as a program stays with it, as what it imports does', async (t) => {
  const text = [
    "import { a } from './a.ts'",
    "const b = await import('../b.mjs')",
    "const c = path.join(import.meta.dirname, 'c.ts')",
    "const d = new URL('./d.js', import.meta.url)",
    "const e = import.meta.resolve('../../e.ts')",
    "import { f } from 'f.js'",
    "const g = path.join(import.meta.dirname, '../node_modules/g.js')",
    "t.match(text, 'h.ts')"
  ].join('\n')
  t.strictSame(importsOf({ read: () => text }, 'test/app/x.test.ts'), [
    'test/app/a.ts',
    'test/b.mjs',
    'test/app/c.ts',
    'test/app/d.js',
    'e.ts'
  ])
})

t.test('code is taken out with what only it has used', async (t) => {
  t.equal(pruneImports("import { a, b, type C } from 'd'\nb()\n"), "import { b } from 'd'\nb()\n")
  t.equal(pruneImports("import { id } from 'd'\nx({ id: row.id })\n"), 'x({ id: row.id })\n', 'a key is another thing')
  t.equal(pruneImports("import { d } from 'd'\nf('d', \"d\")\n"), 'f(\'d\', "d")\n', 'a text is none either')
  t.equal(pruneImports("import {\n  a,\n  b\n} from 'd'\n// a and b\nf()\n"), '// a and b\nf()\n')
  t.equal(
    removeDeclarations('/** One. */\nexport const one = 1\n\n/** Two. */\nexport const two = 2\n', /^one$/),
    '/** Two. */\nexport const two = 2\n'
  )
  t.equal(emptyLiteral('const a = {\n  b: 1\n}\n', /a = \{/), 'const a = {}\n')
  t.throws(() => emptyLiteral('const b = {\n}\n', /a = \{/), /is not there/)
  t.throws(() => replaceText('one', 'two', ''), /edit it by hand/)
})

function isCheckout (): boolean {
  try {
    return execFileSync('git', ['rev-parse', '--show-prefix'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString().trim() === ''
  } catch {
    return false
  }
}

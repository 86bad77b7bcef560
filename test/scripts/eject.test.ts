import { execFileSync } from 'node:child_process'
import path from 'node:path'
import t from 'tap'
import { emptyLiteral, pruneImports, removeDeclarations, replaceText } from '../../scripts/eject/code.ts'
import { editFiles } from '../../scripts/eject/edits.ts'
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
    const tests = removeExample(tree)
    editFiles(tree)
    renameService(tree, 'corner-shop')
    t.ok(tests.includes('test/routes/users.test.ts'))
    t.ok(tree.has('test/routes/conflicts.test.ts'), 'tests that need no example stay')
    t.ok(tree.has('examples/client/api.ts') && !tree.has('examples/client/shop.ts'), 'a client of no resource stays')
    t.notOk(tree.has('test/examples/client.test.ts'))
    t.match(tree.read('.redocly.yaml'), /^rules:\n(?: {2}#.*\n)? {2}no-unused-components: off$/m)
    t.match(JSON.parse(tree.read('.knip.json')), { workspaces: { '.': { project: Array } }, ignoreBinaries: Array })
    const code = tree.names().filter((name) =>
      /^(app|server)\.ts$|^(plugins|routes|schemas|drizzle|scripts(?!\/new\/templates|\/clients\/programs))\/.*\.ts$/
        .test(name)
    )
    for (const name of code) {
      for (const [, file = ''] of tree.read(name).matchAll(/(?:from |import\()'(\.[^'`]+)'/g)) {
        t.ok(tree.has(path.posix.join(path.posix.dirname(name), file)), `${name} imports ${file}`)
      }
    }
    t.notMatch(tree.read('drizzle/postgres.ts'), /\b(users|orders|posts)\b/i)
    t.match(JSON.parse(tree.read('package.json')), { name: 'corner-shop' })
    t.notMatch(JSON.parse(tree.read('package.json')), { scripts: { bench: String } })
    t.match(tree.read('plugins/openapi.ts'), "title: 'Corner shop'")
    t.match(tree.read('schemas/settings.ts'), "'corner-shop'")
    for (const name of code) t.notMatch(tree.read(name), /\bTandem\b|tandem_|'tandem'/, `${name} has the new name`)
  }
)

t.test('a name is one that a package can have', async (t) => {
  for (const name of ['shop', 'corner-shop', 'b2b']) t.equal(checkName(name), name)
  for (const name of [undefined, '', 'Shop', 'my_shop', '-shop', '../shop', 'tandem', 'a'.repeat(41), 'fastify-shop']) {
    t.throws(() => checkName(name), /needs a name of its own/, String(name))
  }
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

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { addEntries, addImport, insertBefore } from '../../scripts/new/edit.ts'
import { parseResource } from '../../scripts/new/resource.ts'
import { remember } from '../../scripts/new/undo.ts'
import { planFiles, writeFiles } from '../../scripts/new/write.ts'
import { TYPESCRIPT_ARGS } from '../../scripts/typescript.ts'
import { newFolder } from '../folder.ts'

const root = path.join(import.meta.dirname, '..', '..')

t.test('the words of a resource', async (t) => {
  t.match(parseResource(['gift-boxes', 'name:text:unique', 'price:decimal', 'level:integer(-2,40)', '--store=mongo']), {
    store: 'mongo',
    file: 'gift-boxes',
    table: 'gift_boxes',
    many: 'giftBoxes',
    one: 'giftBox',
    type: 'GiftBox',
    words: 'gift box',
    fields: [
      { name: 'name', type: 'text', maxLength: 200, isUnique: true },
      { name: 'price', type: 'decimal', precision: 10, scale: 2, isUnique: false },
      { name: 'level', type: 'integer', minimum: -2, maximum: 40 }
    ]
  })
  for (
    const [plural, one] of [
      ['categories', 'category'],
      ['addresses', 'address'],
      ['matches', undefined],
      ['days', 'day'],
      ['user_notes', 'userNote'],
      ['movies', 'movie'],
      ['gift-cookies', 'giftCookie'],
      ['sizes', 'size'],
      ['quizzes', 'quiz'],
      ['statuses', 'status'],
      ['houses', 'house'],
      ['heroes', 'hero'],
      ['caches', 'cache'],
      ['searches', 'search'],
      ['people', 'person'],
      ['wolves', 'wolf'],
      ['my-cookies', 'myCookie'],
      ['vetoes', 'veto'],
      ['status', undefined]
    ] as const
  ) {
    if (one === undefined) t.throws(() => parseResource([plural, 'name:text']), { name: 'UsageError' })
    else t.equal(parseResource([plural, 'name:text']).one, one)
  }
  t.equal(parseResource(['data', 'name:text', '--singular', 'record-of-data']).type, 'RecordOfData')
})

t.test('words that are not understood are refused in a line that says what to write', async (t) => {
  for (
    const [words, message] of [
      [[], /needs a name and a field/],
      [['widgets'], /needs a name and a field/],
      [['Widgets', 'name:text'], /no name/],
      [['../widgets', 'name:text'], /no name/],
      [['sheep', 'name:text'], /--singular/],
      [['pages', 'name:text'], /take a longer one/],
      [['requests', 'name:text'], /take a longer one/],
      [['series', 'name:text'], /--singular/],
      [['docs', 'name:text'], /a path of the service itself/],
      [['orders-2', 'name:text'], /a letter first in each word/],
      [['widgets', 'name:string'], /not known: write text;/],
      [['widgets', 'price:Money'], /not known: write decimal\(10,2\);/],
      [['widgets', 'at:date'], /not known: the types are/],
      [['widgets', 'on-sale:boolean'], /such as on_sale/],
      [['widgets', '_name:text'], /such as name/],
      [['widgets', 'xmin:integer'], /my_xmin/],
      [['widgets', 'limit:integer:unique'], /has a limit already/],
      [['widgets', 'text:text(601):unique'], /600 characters at most/],
      [['widgets', 'place:integer(1,19):unique'], /less than 20 values/],
      [['widgets', `${'long_'.repeat(10)}name:text`], /longer than the 63 characters/],
      [['widgets', 'name'], /is no field/],
      [['widgets', 'name:varchar'], /not known/],
      [['widgets', 'Name:text'], /is no field: .* such as name$/],
      [['widgets', 'id:integer'], /leave it out/],
      [['widgets', 'name:text', 'name:text'], /twice/],
      [['widgets', 'price:decimal(2,4)'], /bounds/],
      [['widgets', 'price:decimal(30,2)'], /bounds/],
      [['widgets', 'size:integer(5,1)'], /bounds/],
      [['widgets', 'size:integer(a,b)'], /no whole numbers/],
      [['widgets', 'name:text(0)'], /bounds/],
      [['widgets', 'isNew:boolean'], /such as is_new$/],
      [['widgets', 'active:boolean:unique'], /less than 20 values/],
      [['widgets', 'name:text', '--store', 'redis'], /sql or mongo/],
      [['widgets', 'name:text', '--shop', 'sql'], /not known/],
      [['widgets', 'name:text', '--store'], /needs a word/]
    ] as const
  ) t.throws(() => parseResource([...words]), { name: 'UsageError', message }, words.join(' '))
})

t.test('what is there is not written over', async (t) => {
  const problems = parseResource(['problems', 'name:text'])
  t.throws(() => planFiles(root, problems), { message: /schemas\/problem\.ts has a Problem already/ })
  t.throws(() => planFiles(root, parseResource(['timestamps', 'name:text'])), {
    message: /schemas\/common\.ts has a TimestampSchema already/
  })
  t.throws(() => planFiles(root, parseResource(['settings', 'name:text'])), { message: /is there already/ })
  t.throws(() => planFiles(root, { ...problems, file: 'other-events', type: 'OtherEvent', many: 'outbox' }), {
    message: /drizzle\/postgres\.ts has a outbox already/
  })
})

t.test('a resource of each kind adds its files, and its lines to what is there', async (t) => {
  const sql = planFiles(root, parseResource(['widgets', 'name:text:unique', 'weight:decimal(5,3)', 'sold:boolean']))
  t.strictSame([...sql.added.keys()], [
    'schemas/widgets.ts',
    'plugins/repositories/widgets.ts',
    'routes/widgets/index.ts',
    'test/routes/widgets.test.ts'
  ])
  t.match(sql.added.get('schemas/widgets.ts'), "sort: { id: 'integer', name: 'text', weight: 'decimal' }")
  t.match(sql.added.get('schemas/widgets.ts'), 'unique: { name: fields.name }')
  t.match(
    sql.changed.get('drizzle/postgres.ts'),
    "index('widgets_name_idx').on(byCharacter(widget.name), widget.id)",
    'an index for what is declared'
  )
  t.match(
    sql.changed.get('drizzle/sqlite.ts'),
    "index('widgets_weight_idx').on(byLength(widget.weight), widget.weight, widget.id)"
  )
  t.match(sql.changed.get('drizzle/postgres.ts'), 'weight: numeric({ precision: 5, scale: 3 }).notNull()')
  t.match(sql.changed.get('drizzle/sqlite.ts'), "sold: integer({ mode: 'boolean' }).notNull()")
  t.match(sql.changed.get('drizzle/constraints.ts'), /widgets_name_key: .*'Widget with this name already exists'/)
  t.match(sql.changed.get('plugins/repositories/index.ts'), /inSql = \{[^}]*widgets: createWidgetRepository/)

  const mongo = planFiles(root, parseResource(['widgets', 'name:text:unique', 'price:decimal', '--store', 'mongo']))
  t.match(
    mongo.added.get('schemas/widgets.ts'),
    "sort: { created_at: 'date', name: 'text', price: 'decimal' }"
  )
  t.match(
    mongo.added.get('plugins/mongo/collections/widgets.ts'),
    "{ name: 'widgets_price_idx', key: { price: 1, _id: 1 }, collation: BY_NUMBER }"
  )
  t.ok(mongo.added.has('plugins/mongo/collections/widgets.ts'))
  t.strictSame([...mongo.changed.keys()], ['plugins/repositories/index.ts'])
  t.match(mongo.changed.get('plugins/repositories/index.ts'), /inMongo = \{[^}]*widgets: createWidgetRepository/)
})

t.test('fields may have the names of what the tests and the language use', async (t) => {
  const words = ['links', 'count:integer', 'class:text', 'url:text:unique', 'level:integer(1,100)']
  for (const store of ['sql', 'mongo']) {
    const { added } = planFiles(root, parseResource([...words, '--store', store]))
    const test = added.get('test/routes/links.test.ts') ?? ''
    t.match(test, 'const changes = { count: newLink(++count).count }')
    t.match(test, 'function newLink (n: number)')
    t.match(test, 'level: 1 + n')
    for (const text of added.values()) t.notMatch(text, /const \{[^}]*\b(class|count|url)\b[^}:]*\} =/)
  }
  for (
    const [word, sample] of [
      ['a:integer(1,100)', 'n: number) {\n  return { a: 1 + n }'],
      ['a:integer(-5,14):unique', 'a: -5 + n'],
      ['a:decimal(2,1):unique', 'a: (n / 10).toFixed(1)'],
      ['a:text(2):unique', 'a: String(n)'],
      ['a:text(1)', "_n: number) {\n  return { a: 'x' }"]
    ] as const
  ) {
    const { added } = planFiles(root, parseResource(['links', word]))
    t.match(added.get('test/routes/links.test.ts'), sample, word)
  }
  const flags = planFiles(root, parseResource(['flags', 'on:boolean', '--store', 'mongo'])).added
  t.notMatch(flags.get('plugins/mongo/collections/flags.ts'), 'properties }', 'nothing that is not used')
})

t.test('what failed leaves nothing behind', async (t) => {
  const folder = newFolder(t)
  const write = (name: string, text: string) => writeFiles(folder, new Map([[name, text]]))
  write('drizzle/migrations/a.sql', 'a')
  write('routes/index.ts', 'old')
  const added = new Map([['routes/links/index.ts', 'new']])
  const putBack = remember(folder, added, ['routes/index.ts', 'drizzle/migrations', 'docs/none.json'])
  writeFiles(folder, added)
  write('routes/index.ts', 'new')
  write('drizzle/migrations/a.sql', 'b')
  write('drizzle/migrations/meta/b.json', 'b')
  putBack()
  t.strictSame(readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted(), [
    'drizzle',
    'drizzle/migrations',
    'drizzle/migrations/a.sql',
    'routes',
    'routes/index.ts'
  ])
  t.equal(readFileSync(path.join(folder, 'routes/index.ts'), 'utf8'), 'old')
  t.equal(readFileSync(path.join(folder, 'drizzle/migrations/a.sql'), 'utf8'), 'a')
})

t.test('options that npm keeps for itself are told', async (t) => {
  // As npm hands them over; the name would be refused anyway, so that nothing is written.
  const { status, stderr } = spawnSync(process.execPath, [...TYPESCRIPT_ARGS, 'scripts/new.ts', 'Widgets', 'a:text'], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', npm_config_store: 'true' },
    encoding: 'utf8'
  })
  t.equal(status, 2)
  t.match(stderr, /^npm took --store for its own: write npm run new -- before the words\n/)
})

t.test('edits find their place in files with and without entries', async (t) => {
  t.equal(addEntries('const a = {}\n', /const a = \{/, '}', ['x: 1']), 'const a = {\n  x: 1\n}\n')
  t.equal(addEntries('const a = {\n  w: 0\n}\n', /const a = \{/, '\n}', ['x: 1']), 'const a = {\n  w: 0,\n  x: 1\n}\n')
  t.equal(
    addEntries('const a = {} satisfies B\n', /const a = \{/, '\n} satisfies', ['x: 1']),
    'const a = {\n  x: 1\n} satisfies B\n'
  )
  t.throws(() => addEntries('const b = {}', /const a = \{/, '}', ['x: 1']), /No place was found/)
  t.equal(addImport("import { b, type C } from 'd'\n", ['a'], 'd'), "import { a, b, type C } from 'd'\n")
  t.equal(
    addImport("import { b } from 'd'\nb()\n", ['a'], './e.ts'),
    "import { b } from 'd'\nimport { a } from './e.ts'\nb()\n"
  )
  t.equal(
    insertBefore('one()\n\n/** Two. */\nconst two = 2\n', 'const two', 'new()\n'),
    'one()\n\nnew()\n\n/** Two. */\nconst two = 2\n'
  )
  t.throws(() => insertBefore('one()', 'const two', 'new()'), /No place was found/)
})

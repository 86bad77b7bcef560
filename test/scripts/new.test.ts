import path from 'node:path'
import t from 'tap'
import { addEntries, addImport, insertBefore } from '../../scripts/new/edit.ts'
import { parseResource } from '../../scripts/new/resource.ts'
import { planFiles } from '../../scripts/new/write.ts'

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
      ['houses', 'house'],
      ['user_notes', 'userNote']
    ] as const
  ) {
    if (one === undefined) t.throws(() => parseResource([plural, 'name:text']), { name: 'UsageError' })
    else t.equal(parseResource([plural, 'name:text']).one, one)
  }
  t.equal(parseResource(['people', 'name:text', '--singular', 'person']).type, 'Person')
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
      [['widgets', 'name'], /is no field/],
      [['widgets', 'name:varchar'], /not known/],
      [['widgets', 'Name:text'], /is no field/],
      [['widgets', 'id:integer'], /leave it out/],
      [['widgets', 'name:text', 'name:text'], /twice/],
      [['widgets', 'price:decimal(2,4)'], /bounds/],
      [['widgets', 'price:decimal(30,2)'], /bounds/],
      [['widgets', 'size:integer(5,1)'], /bounds/],
      [['widgets', 'size:integer(a,b)'], /no whole numbers/],
      [['widgets', 'name:text(0)'], /bounds/],
      [['widgets', 'isNew:boolean'], /is no field/],
      [['widgets', 'active:boolean:unique'], /less than 10 values/],
      [['widgets', 'name:text', '--store', 'redis'], /sql or mongo/],
      [['widgets', 'name:text', '--shop', 'sql'], /not known/],
      [['widgets', 'name:text', '--store'], /needs a word/]
    ] as const
  ) t.throws(() => parseResource([...words]), { name: 'UsageError', message }, words.join(' '))
})

t.test('what is there is not written over', async (t) => {
  const problems = parseResource(['problems', 'name:text'])
  t.throws(() => planFiles(root, problems), { message: /schemas\/problem\.ts has a Problem already/ })
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
    "sort: { created_at: 'date', name: 'text' }",
    'a decimal is text there'
  )
  t.match(
    mongo.added.get('plugins/mongo/collections/widgets.ts'),
    "{ name: 'widgets_name_idx', key: { name: 1, _id: 1 } }"
  )
  t.ok(mongo.added.has('plugins/mongo/collections/widgets.ts'))
  t.strictSame([...mongo.changed.keys()], ['plugins/repositories/index.ts'])
  t.match(mongo.changed.get('plugins/repositories/index.ts'), /inMongo = \{[^}]*widgets: createWidgetRepository/)
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

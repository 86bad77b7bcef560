import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { database, sendTo } from '../harness.ts'
import { commonJs, prelude, right, wrong } from './consumers.ts'
import { codeBlocks, foreignApp } from '../../../../test/packages/foreign-app.ts'
import { start } from '../../../../test/packages/running.ts'

const source = path.join(import.meta.dirname, '../..')
const PAGES = [
  path.join(source, 'README.md'),
  ...readdirSync(path.join(source, 'docs')).sort().map((name) => path.join(source, 'docs', name))
]
const needed = ['fastify', 'fastify-plugin', 'pg']

t.test('the tarball holds what was compiled, and asks for nothing but its peers', async (t) => {
  const { folder } = await foreignApp(t, [])
  const installed = path.join(folder, 'node_modules/fastify-transaction')
  t.same(readdirSync(installed).sort(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist',
    'docs',
    'examples',
    'package.json'
  ])
  const specifiers = new Set<string>()
  const dist = readdirSync(path.join(installed, 'dist'), { recursive: true, encoding: 'utf8' })
  for (const name of dist.filter((name) => path.extname(name) !== '')) {
    t.match(name, /\.(?:d\.c?ts|c?js)$/)
    const text = readFileSync(path.join(installed, 'dist', name), 'utf8')
    for (const [, specifier = ''] of text.matchAll(/\b(?:from|import|require)[ (]'([^']+)'/g)) specifiers.add(specifier)
  }
  const foreign = [...specifiers].filter((specifier) => !/^(?:node:|\.{1,2}\/[\w./-]+\.js$)/.test(specifier)).map((
    specifier
  ) => specifier.split('/')[0])
  t.same([...new Set(foreign)].sort(), ['drizzle-orm', 'fastify', 'fastify-plugin', 'mongodb', 'pg'])
})

t.test('every link of the README and its pages leads somewhere', async (t) => {
  const { folder } = await foreignApp(t, [])
  const installed = path.join(folder, 'node_modules/fastify-transaction')
  const pages = ['README.md', ...readdirSync(path.join(installed, 'docs')).map((name) => `docs/${name}`)]
  const headings = (page: string) =>
    [...readFileSync(path.join(installed, page), 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
      text.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-')
    )
  for (const page of pages) {
    for (
      const [, file = '', anchor] of readFileSync(path.join(installed, page), 'utf8').matchAll(
        /\]\(([\w./-]*)(?:#([\w-]+))?\)/g
      )
    ) {
      const target = file === '' ? page : path.join(path.dirname(page), file)
      t.ok(existsSync(path.join(installed, target)), `${page} links to ${target}`)
      if (anchor !== undefined && pages.includes(target)) {
        t.ok(headings(target).includes(anchor), `${page} links to ${target}#${anchor}`)
      }
    }
  }
})

t.test('the README is short enough to be read', async (t) => {
  t.ok(readFileSync(new URL('../../README.md', import.meta.url), 'utf8').split('\n').length <= 310)
})

t.test('the smallest app of the README runs from JavaScript against PostgreSQL', async (t) => {
  const { url, admin } = await database(t)
  await admin.query(
    "create table orders (id serial primary key, product text); create table stock (product text, pieces integer); insert into stock values ('chair', 1)"
  )
  const { folder, write, node } = await foreignApp(t, needed)
  const [smallest = ''] = codeBlocks(PAGES, 'js')
  write('app.js', smallest)
  const send = sendTo((await start(t, folder, 'app.js', { DATABASE_URL: url })).origin)
  t.match(await send('POST', '/orders', { product: 'chair' }), { status: 201, json: { id: 1 } })
  t.match(await send('POST', '/orders', { product: 'chair' }), { status: 409, json: { message: 'chair is sold out' } })
  const { rows } = await admin.query('select product from orders')
  t.same(rows, [{ product: 'chair' }], 'the second order was taken back')
  write('app.cjs', commonJs)
  t.equal(await node('app.cjs', url), '{"n":1}', 'CommonJS can use it')
})

t.test('TypeScript without Drizzle, MongoDB and @types/pg, libraries checked: right options compile, wrong ones do not', async (t) => {
  const app = await foreignApp(t, [...needed, '@types/node'])
  const untyped = (text: string) =>
    text.replace("import pg from 'pg'", "// @ts-ignore: no types here\nimport pg from 'pg'")
  app.write('right.ts', untyped(right))
  app.write('wrong.ts', untyped(wrong))
  t.equal(await app.check({ skipLibCheck: false }), '')
})

t.test('TypeScript with all of them: the same, and every example of the README and its pages compiles', async (t) => {
  const app = await foreignApp(t, [
    ...needed,
    '@types/node',
    '@types/pg',
    'drizzle-orm',
    'mongodb',
    'pg-query-stream',
    '@fastify/postgres'
  ])
  app.write('right.ts', right)
  app.write('wrong.ts', wrong)
  const blocks = codeBlocks(PAGES, 'ts')
  t.ok(blocks.length >= 12)
  for (const [index, block] of blocks.entries()) app.write(`example-${index}.ts`, getPrelude(block) + block)
  t.equal(await app.check({ skipLibCheck: true }), '')
})

/** The lines of the prelude that the example does not have itself. */
function getPrelude (block: string): string {
  return prelude.split('\n').filter((line) => {
    const [, name] = /declare const (\w+)/.exec(line) ?? []
    const [, from] = / from '([^']+)'/.exec(line) ?? []
    return name === undefined ? !block.includes(` from '${from ?? 'nowhere'}'`) : !block.includes(`const ${name} `)
  }).join('\n')
}

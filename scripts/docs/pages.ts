import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** A page of the site. */
export interface Page {
  /** Below the checkout. */
  source: string
  /** Below the site. */
  place: string
  /** Part of the menu; '' for none. */
  group: string
  /** In the menu; default: its heading. */
  title?: string
  /** Programs that are shown below it. */
  programs: string[]
}

/** All pages in the order of the menu. */
export function listPages (root: string): Page[] {
  const site = 'docs/site'
  return [
    page(`${site}/index.md`, 'index.md', ''),
    ...list(root, `${site}/promises`).map((name) => page(`${site}/promises/${name}`, `promises/${name}`, 'Promises')),
    page('README.md', 'start.md', 'The service'),
    ...listDocs(root).map((name) => page(`docs/${name}`, name, 'The service')),
    page('CHANGELOG.md', 'changelog.md', 'The service'),
    ...list(root, 'packages', '').sort(byNeed).flatMap((name) => listPackage(root, name)),
    ...list(root, 'examples', '').map((name) => page(`examples/${name}/README.md`, `examples/${name}.md`, 'Examples'))
  ]
}

/** The one that most apps take comes first. */
function byNeed (a: string, b: string): number {
  return Number(b === 'transaction') - Number(a === 'transaction')
}

function listPackage (root: string, folder: string): Page[] {
  const home = `packages/${folder}`
  const { name } = JSON.parse(readFileSync(path.join(root, home, 'package.json'), 'utf8')) as { name: string }
  const examples = path.posix.join(home, 'examples')
  const programs = list(root, examples, '').filter((file) => file !== 'README.md').map((file) => `${examples}/${file}`)
  return [
    { ...page(`${home}/README.md`, `${home}/index.md`, name), title: 'Begin here' },
    ...list(root, `${home}/docs`).map((file) => page(`${home}/docs/${file}`, `${home}/${file}`, name)),
    ...(programs.length > 0 ? [{ ...page(`${examples}/README.md`, `${home}/examples.md`, name), programs }] : []),
    page(`${home}/CHANGELOG.md`, `${home}/changelog.md`, name)
  ]
}

/** The pages of docs/ as docs/README.md lists them, and then the others. */
function listDocs (root: string): string[] {
  const index = readFileSync(path.join(root, 'docs', 'README.md'), 'utf8')
  const listed = [...index.matchAll(/^\| \[([\w-]+\.md)\]/gm)].map(([, name = '']) => name)
  const all = list(root, 'docs').filter((name) => name !== 'README.md')
  return ['README.md', ...listed.filter((name) => all.includes(name)), ...all.filter((name) => !listed.includes(name))]
}

/** Names in a folder, sorted; without an ending, folders and files alike that hold something. */
function list (root: string, folder: string, ending = '.md'): string[] {
  const home = path.join(root, folder)
  if (!existsSync(home)) return []
  const names = readdirSync(home).filter((name) => name.endsWith(ending)).sort()
  return folder === 'packages' || folder === 'examples'
    ? names.filter((name) => existsSync(path.join(home, name, 'README.md')))
    : names
}

function page (source: string, place: string, group: string): Page {
  return { source, place: place === 'README.md' ? 'overview.md' : place, group, programs: [] }
}

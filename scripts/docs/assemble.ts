import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { listPages, type Page } from './pages.ts'

/** A part of the menu. */
interface Group {
  text: string
  collapsed: boolean
  items: Array<{ text: string; link: string }>
}

/**
 * Puts all pages where the generator looks for them, their links leading to each other, and the menu beside them.
 * @param root the checkout
 * @param content removed first
 */
export function assemble (root: string, content: string): void {
  rmSync(content, { recursive: true, force: true })
  const pages = listPages(root)
  const places = new Map(pages.map(({ source, place }) => [source, place]))
  for (const page of pages) {
    const file = path.join(content, page.place)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(
      file,
      linkPages(readPage(root, page), page, places, (image) => {
        cpSync(path.join(root, image), path.join(content, 'public', path.basename(image)))
      })
    )
  }
  writeFileSync(path.join(content, 'menu.json'), JSON.stringify(makeMenu(root, pages)))
}

/** The text of a page, with the programs that it lists below it. */
function readPage (root: string, { source, programs }: Page): string {
  const texts = programs.map((file) => {
    const language = path.extname(file).slice(1).replace(/^[cm]/, '')
    return `## ${path.basename(file)}\n\n\`\`\`${language}\n${readFileSync(path.join(root, file), 'utf8')}\`\`\`\n`
  })
  const text = readFileSync(path.join(root, source), 'utf8').replaceAll(/<!--[^]*?-->\n?/g, '')
  return [text, ...texts].join('\n')
}

/**
 * Links lead to the page of the site where there is one, images to a copy; what is only in the repository is named
 * without a link.
 */
function linkPages (text: string, page: Page, places: Map<string, string>, copyImage: (file: string) => void): string {
  return text.replaceAll(
    /(!?)\[([^\]]*)\]\(([^)#\s:]*)(#[^)\s]*)?\)/g,
    (link, image: string, label: string, to: string, anchor = '') => {
      if (to === '') return link
      const target = path.posix.join(path.posix.dirname(page.source), to)
      if (image !== '') {
        copyImage(target)
        return `![${label}](/${path.posix.basename(target)})`
      }
      const place = places.get(target) ?? places.get(path.posix.join(target, 'README.md'))
      if (place !== undefined) return `[${label}](/${place}${anchor})`
      const examples = places.get(path.posix.join(path.posix.dirname(target), 'README.md'))
      return examples?.endsWith('examples.md') === true
        ? `[${label}](/${examples}#${toAnchor(path.posix.basename(target))})`
        : label
    }
  )
}

function toAnchor (heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\w]+/g, '-')
}

function makeMenu (root: string, pages: Page[]): Group[] {
  const groups = new Map<string, Group>()
  for (const page of pages.filter(({ group }) => group !== '')) {
    const group = groups.get(page.group) ?? { text: page.group, collapsed: groups.size > 2, items: [] }
    groups.set(page.group, group)
    const [, title = page.place] = /^# (.*)$/m.exec(readFileSync(path.join(root, page.source), 'utf8')) ?? []
    group.items.push({ text: page.title ?? title, link: `/${page.place.replace(/(index)?\.md$/, '')}` })
  }
  return [...groups.values()]
}

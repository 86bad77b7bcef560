import type { Tree } from './tree.ts'

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
// Packages have names of their own, and licences their authors.
const STAYS = /^packages\/|(^|\/)LICENSE$|\.(svg|png|wasm)$|^scripts\/ecosystem\/packages\//

// Databases that the servers have for themselves.
const SERVERS_OWN = new Set(['admin', 'config', 'local', 'postgres', 'template0', 'template1'])
const LONGEST = 40

/**
 * Reads the words of the command.
 * @param words one: the new name
 * @param installed names of packages, which npm would take the service for
 * @throws Error where there is no name, or one that a package or a database cannot have
 */
export function checkName (words: string[], installed: ReadonlySet<string> = new Set()): string {
  const [name, ...more] = words
  if (name === undefined || name === '') throw new Error('The service needs a name: npm run eject -- corner-shop')
  if (more.length > 0) {
    throw new Error(`The service has one name, not ${words.length}: npm run eject -- ${suggest(words.join('-'))}`)
  }
  if (!NAME.test(name) || name.length > LONGEST) {
    const rule = `lower case letters, digits and single - between them, a letter first, ${LONGEST} at most`
    throw new Error(`"${name}" cannot be the name of a package: ${rule}; such as ${suggest(name)}`)
  }
  if (/^(tandem|fastify)(-|$)/.test(name) || SERVERS_OWN.has(name) || installed.has(name)) {
    throw new Error(`"${name}" is the name of something else, which the service uses: take another, such as my-${name}`)
  }
  return name
}

// `My Shop!` → `my-shop`.
function suggest (text: string): string {
  const name = text.normalize('NFKD').toLowerCase().replace(/[\u0300-\u036f]/g, '').replace(/[^a-z0-9]+/g, '-')
    .replace(/^[0-9-]+|-+$/g, '').slice(0, LONGEST).replace(/-$/, '')
  return name === '' || /^(tandem|fastify)(-|$)/.test(name) ? 'corner-shop' : name
}

/** Puts a new name where the old one stands: in the package, its metrics, its log, its pages, its deployment. */
export function renameService (tree: Tree, name: string): void {
  const snake = name.replaceAll('-', '_')
  const title = name.replaceAll('-', ' ').replace(/^./, (letter) => letter.toUpperCase())
  for (const file of tree.names().filter((file) => !STAYS.test(file))) {
    const text = tree.read(file)
    if (!/tandem/i.test(text)) continue
    const renamed = text
      .replace(/\btandem(?!-source\b)(?=[_.])/g, snake)
      .replace(/\btandem(?!-source\b)/g, name)
      .replace(/\bTandem\b/g, title)
      .replace(/\bTANDEM/g, snake.toUpperCase())
    if (renamed !== text) tree.write(file, renamed)
  }
}

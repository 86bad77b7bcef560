import type { Tree } from './tree.ts'

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
// Packages have names of their own, and licences their authors.
const STAYS = /^packages\/|(^|\/)LICENSE$|\.(svg|png|wasm)$|^scripts\/ecosystem\/packages\//

/** @throws Error where a name cannot be a package's */
export function checkName (name: string | undefined): string {
  if (name === undefined || !NAME.test(name) || name.length > 40 || /^(tandem|fastify-|dev-databases$)/.test(name)) {
    throw new Error('The service needs a name of its own: lower case letters, digits and - between them, 40 at most')
  }
  return name
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

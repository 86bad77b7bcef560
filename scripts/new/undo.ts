import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Files } from './write.ts'

/**
 * Remembers files as they are, before something is made that may fail.
 * @param root folder of the service
 * @param added files that are not there yet
 * @param changed files and folders that may be written to
 * @returns brings all of it back to where it was
 */
export function remember (root: string, added: Files, changed: string[]): () => void {
  const before = readAll(root, changed)
  return function putBack () {
    for (const name of added.keys()) removeFile(root, name)
    for (const name of readAll(root, changed).keys()) if (!before.has(name)) removeFile(root, name)
    for (const [name, text] of before) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
      writeFileSync(path.join(root, name), text)
    }
  }
}

function readAll (root: string, names: string[]): Map<string, Buffer> {
  const files = names.flatMap((name) => {
    const found = path.join(root, name)
    if (!existsSync(found)) return []
    if (!statSync(found).isDirectory()) return [name]
    return readdirSync(found, { recursive: true, encoding: 'utf8' }).map((inside) => path.join(name, inside))
      .filter((inside) => statSync(path.join(root, inside)).isFile())
  })
  return new Map(files.map((name) => [name, readFileSync(path.join(root, name))]))
}

// With the folder that was made for it.
function removeFile (root: string, name: string): void {
  rmSync(path.join(root, name), { force: true })
  const folder = path.dirname(path.join(root, name))
  if (existsSync(folder) && readdirSync(folder).length === 0) rmSync(folder, { recursive: true })
}

import path from 'node:path'
import type { Tree } from './tree.ts'

/** The files that a file imports, or starts as programs: those it names by their place beside itself. */
export function importsOf (tree: Pick<Tree, 'read'>, name: string): string[] {
  const pattern =
    /(?:(?:from |import |import\(|import\.meta\.resolve\(|new URL\()'(?=\.)|import\.meta\.dirname, ')([^']+\.[cm]?[jt]s)'/g
  return [...tree.read(name).matchAll(pattern)]
    .map(([, file = '']) => path.posix.join(path.posix.dirname(name), file))
    .filter((file) => !file.includes('node_modules/'))
}

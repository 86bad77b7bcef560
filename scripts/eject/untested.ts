import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

/** What V8 writes of a process that runs with NODE_V8_COVERAGE, as far as it is used here. */
interface Coverage {
  result: Array<{
    url: string
    functions: Array<{ functionName: string; ranges: Array<{ startOffset: number; count: number }> }>
  }>
}

const PRODUCTION = /^(app|(plugins|routes|schemas|drizzle)\/.*)\.ts$/
// Put in by the loader of TypeScript.
const HELPERS = new Set(['__name', '__export'])

/**
 * Finds the files of a checkout of which a run of tests has called a function. V8's own words are read: reports made of
 * them leave out files that two loaders have compiled.
 * @param root the checkout
 * @param folder where the run has left its coverage
 */
export function findCalled (root: string, folder: string): string[] {
  const origin = `${pathToFileURL(root).href}/`
  return readdirSync(folder).filter((name) => name.endsWith('.json')).flatMap((name) =>
    (JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Coverage).result ?? []
  ).filter(({ url, functions }) =>
    url.startsWith(origin) && functions.some(({ functionName, ranges: [range] }) =>
      // The first one is the module itself.
      range !== undefined && range.count > 0 && range.startOffset > 0 && !HELPERS.has(functionName)
    )
  ).map(({ url }) => url.slice(origin.length).replace(/\?.*$/, ''))
}

/**
 * Finds the files of the service of which no test calls a function.
 * @param root the checkout
 * @param called what `findCalled` has found, of all runs
 * @returns their paths; files without a function need no test of their own
 */
export function findUntested (root: string, called: ReadonlySet<string>): string[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')
  // Git still lists what eject has removed, until that is committed.
  return listed.filter((name) => PRODUCTION.test(name) && !called.has(name) && existsSync(path.join(root, name)))
    .filter((name) => hasFunction(readFileSync(path.join(root, name), 'utf8')))
}

function hasFunction (text: string): boolean {
  const isFunction = (node: ts.Node): boolean =>
    ts.isFunctionLike(node) && 'body' in node && node.body !== undefined || ts.forEachChild(node, isFunction) === true
  return isFunction(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest))
}

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

/** What tap's JSON report says of a file: how often each of its functions was called. */
type Report = Record<string, { f: Record<string, number> }>

const PRODUCTION = /^(app|(plugins|routes|schemas|drizzle)\/.*)\.ts$/

/**
 * Finds the files of the service of which no test calls a function.
 * @param root a checkout in which tests ran with `--coverage-report=json`
 * @param reports texts of the reports, of one run or several
 * @returns their paths; files without a function need no test of their own
 */
export function findUntested (root: string, reports: string[]): string[] {
  const read = reports.map((text) => JSON.parse(text) as Report)
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')
  return listed.filter((name) => {
    if (!PRODUCTION.test(name) || !hasFunction(readFileSync(path.join(root, name), 'utf8'))) return false
    const counts = read.flatMap((report) => Object.values(report[path.join(root, name)]?.f ?? {}))
    return !counts.some((count) => count > 0)
  })
}

function hasFunction (text: string): boolean {
  const isFunction = (node: ts.Node): boolean =>
    ts.isFunctionLike(node) && 'body' in node && node.body !== undefined || ts.forEachChild(node, isFunction) === true
  return isFunction(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest))
}

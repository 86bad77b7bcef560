import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

const FILES = {
  'index.js': path.join(import.meta.dirname, '../fixture/route.ts'),
  'things.js': path.join(import.meta.dirname, '../fixture/things.ts'),
  'tables.js': path.join(import.meta.dirname, '../fixture/tables.ts')
}

/**
 * Gives a compiled service the routes of the tests' own resource, for tests that start it as a process.
 * @param built its folder
 */
export function addFixture (built: string): void {
  // As deep as test/fixture/, so that imports lead to the same files.
  const folder = path.join(built, 'routes', 'things')
  mkdirSync(folder, { recursive: true })
  for (const [name, source] of Object.entries(FILES)) {
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true
      }
    })
    writeFileSync(path.join(folder, name), outputText)
  }
}

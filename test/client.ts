import { symlinkSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

const modules = path.join(import.meta.dirname, '..', 'node_modules')
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  rewriteRelativeImportExtensions: true,
  strict: true,
  skipLibCheck: true,
  types: ['node']
}

/**
 * Compiles programs around the client that `npm run client` makes, with the packages of the service.
 * @param folder where they are; their JavaScript is written beside them
 * @returns what the compiler says; empty when it has nothing to say
 */
export function compileClient (folder: string, files: string[]): string[] {
  symlinkSync(modules, path.join(folder, 'node_modules'), 'junction')
  ts.sys.writeFile(path.join(folder, 'package.json'), '{ "type": "module" }')
  const host = ts.createCompilerHost(OPTIONS)
  host.getCurrentDirectory = () => folder
  const program = ts.createProgram(files.map((file) => path.join(folder, file)), OPTIONS, host)
  program.emit()
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) =>
    `${path.basename(file?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  )
}

import path from 'node:path'
import ts from 'typescript'

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  strict: true,
  skipLibCheck: true,
  types: ['node']
}

/**
 * Checks programs of a folder, each for itself, and writes their JavaScript beside them.
 * @returns what the compiler says; empty when it has nothing to say
 */
export function compile (folder: string, files: string[]): string[] {
  const host = ts.createCompilerHost(OPTIONS)
  const { getSourceFile } = host
  // Read and parsed once for all of them.
  const known = new Map<string, ts.SourceFile | undefined>()
  host.getCurrentDirectory = () => folder
  host.getSourceFile = (name, ...rest) => {
    if (!known.has(name)) known.set(name, getSourceFile(name, ...rest))
    return known.get(name)
  }
  return files.flatMap((file) => {
    const program = ts.createProgram([path.join(folder, file)], OPTIONS, host)
    const said = ts.getPreEmitDiagnostics(program)
    program.emit()
    return said.map(({ messageText, file: at, start = 0 }) =>
      `${
        at === undefined
          ? file
          : `${path.relative(folder, at.fileName)}:${at.getLineAndCharacterOfPosition(start).line + 1}`
      }: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    )
  })
}

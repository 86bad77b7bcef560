import path from 'node:path'
import ts from 'typescript'

/** A module that users can import, and the declarations that say what is in it. */
export interface Entry {
  /** As it is imported. */
  name: string
  /** A `.d.ts`. */
  file: string
}

/**
 * All that users of a package can see, as text: what its modules export, what those declarations need beside them, and
 * what is added to the types of other packages. Comments and private members are left out. The same on every Node.
 * @param dist the folder of declarations
 */
export function describeApi (title: string, dist: string, entries: Entry[]): string {
  const program = ts.createProgram(entries.map(({ file }) => file), {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    noLib: true,
    types: []
  })
  const report = new Report(program, dist)
  const sections = entries.map(({ name, file }) => section(name, report.describeModule(file)))
  return [
    `# What ${title} exports`,
    'Made by `npm run check:packages -- --write`, and compared by `npm run check:packages`: what changes here changes for users.',
    ...sections,
    section('Needed by those above, and not exported', report.describeOthers()),
    section('Added to other packages', report.describeAugmentations())
  ].filter((text) => text !== '').join('\n\n').concat('\n')
}

function section (heading: string, texts: string[]): string {
  return texts.length === 0 ? '' : `## ${heading}\n\n\`\`\`ts\n${texts.join('\n')}\n\`\`\``
}

class Report {
  readonly #program: ts.Program
  readonly #checker: ts.TypeChecker
  readonly #dist: string
  readonly #printer = ts.createPrinter({ removeComments: true })
  readonly #shown = new Set<ts.Node>()
  readonly #needed = new Set<ts.Statement>()

  constructor (program: ts.Program, dist: string) {
    this.#program = program
    this.#checker = program.getTypeChecker()
    this.#dist = dist
  }

  describeModule (file: string): string[] {
    const source = this.#program.getSourceFile(file)
    const module = source && this.#checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${file} exports nothing: the package was not built as its exports say`)
    return this.#checker.getExportsOfModule(module).toSorted(byName).flatMap((symbol) => {
      const statements = this.#find(symbol)
      if (statements.length === 0) throw new Error(`${symbol.name} of ${file} is declared in another package`)
      const texts = statements.map((statement) => this.#print(statement))
      return symbol.name === 'default' ? ['// default', ...texts] : texts
    })
  }

  /** What was met on the way and is not exported itself. */
  describeOthers (): string[] {
    const texts: string[] = []
    for (const statement of this.#needed) if (!this.#shown.has(statement)) texts.push(this.#print(statement))
    return texts.sort()
  }

  describeAugmentations (): string[] {
    const files = this.#program.getSourceFiles().filter(({ fileName }) => this.#isOurs(fileName))
    return files.flatMap(({ statements }) => [...statements]).filter((statement) =>
      ts.isModuleDeclaration(statement) && ts.isStringLiteral(statement.name)
    ).map((statement) => this.#print(statement)).sort()
  }

  #print (statement: ts.Statement): string {
    this.#shown.add(statement)
    const [node = statement] = ts.transform<ts.Node>(statement, [dropPrivate]).transformed
    this.#collect(node)
    return this.#printer.printNode(ts.EmitHint.Unspecified, node, statement.getSourceFile())
  }

  #collect (node: ts.Node): void {
    if (ts.isIdentifier(node)) {
      const symbol = this.#checker.getSymbolAtLocation(node)
      for (const statement of symbol === undefined ? [] : this.#find(symbol)) this.#needed.add(statement)
    }
    ts.forEachChild(node, (child) => {
      this.#collect(child)
    })
  }

  /** The statements of this package that declare a symbol, if any do. */
  #find (symbol: ts.Symbol): ts.Statement[] {
    const target = symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
    return (target.declarations ?? []).flatMap((declaration) => {
      const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
      const isOnTop = ts.isStatement(statement) && ts.isSourceFile(statement.parent)
      return isOnTop && this.#isOurs(statement.getSourceFile().fileName) ? [statement] : []
    })
  }

  #isOurs (file: string): boolean {
    return !path.relative(this.#dist, file).startsWith('..')
  }
}

function dropPrivate (context: ts.TransformationContext): (root: ts.Node) => ts.Node {
  const visit = (node: ts.Node): ts.Node | undefined => {
    const isPrivate = ts.isClassElement(node) && (
      (node.name !== undefined && ts.isPrivateIdentifier(node.name)) ||
      (ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword))
    )
    return isPrivate ? undefined : ts.visitEachChild(node, visit, context)
  }
  return (root) => ts.visitEachChild(root, visit, context)
}

// Not by locale: the order must be the same everywhere.
function byName (a: ts.Symbol, b: ts.Symbol): number {
  return a.name < b.name ? -1 : 1
}

// A file of tests as its statements: what each declares, uses and assigns, so that single tests can be taken out.
import ts from 'typescript'

/** A statement at the top of a file, or in the body of a test that has tests of its own. */
export interface Part {
  /** Where it begins, with the comment above it, and where it ends. */
  start: number
  end: number
  /** Its text without the comment above it, and without `children`. */
  text: string
  /** A test, several, or what sets them up: it declares nothing. */
  isRun: boolean
  /** Declares tests. */
  isTest: boolean
  /** What it declares. Names of parts are made unlike those of other scopes. */
  names: string[]
  /** What it uses, and to what it gives a value; without those of `children`. */
  uses: string[]
  assigns: string[]
  /** The names that others can import. */
  exported: string[]
  imports: Import[]
  /** Statements in the body of a test that has tests of its own. */
  children: Part[]
}

/** A name that comes from another file. */
interface Import {
  local: string
  id: string
  /** As the other file calls it; `*` for all of it. */
  name: string
  from: string
}

const FILE = 'file.ts'

/** Reads the statements of a file. */
export function readParts (text: string): Part[] {
  const file = ts.createSourceFile(FILE, text, ts.ScriptTarget.Latest, true)
  const host = { ...ts.createCompilerHost({}), getSourceFile: (name: string) => name === FILE ? file : undefined }
  // The binder alone is wanted: it tells a name from the same one in another scope.
  const checker = ts.createProgram([FILE], { noLib: true, noResolve: true, types: [] }, host).getTypeChecker()
  return file.statements.map((statement) => readPart(statement, checker))
}

function readPart (statement: ts.Statement, checker: ts.TypeChecker): Part {
  const body = getTests(statement)
  const names = declaredBy(statement).map(getId)
  const imports = importedBy(statement)
  const children = body.map((child) => readPart(child, checker))
  return {
    start: statement.getFullStart(),
    end: statement.end,
    text: withoutBody(statement, body),
    isRun: names.length === 0 && !ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement),
    isTest: names.length === 0 && containsTest(statement),
    names,
    ...findUses(statement, body, checker),
    exported: exportedBy(statement),
    imports,
    children
  }
}

function withoutBody (statement: ts.Statement, body: readonly ts.Statement[]): string {
  const [first, last] = [body[0], body.at(-1)]
  const text = statement.getText()
  if (first === undefined || last === undefined) return text
  const begin = statement.getStart()
  return text.slice(0, first.getFullStart() - begin) + text.slice(last.end - begin)
}

/** The body of `t.test('…', (t) => { … })`, or of a function like it, in which there are tests. */
function getTests (statement: ts.Statement): readonly ts.Statement[] {
  if (!ts.isExpressionStatement(statement)) return []
  const call = ts.isAwaitExpression(statement.expression) ? statement.expression.expression : statement.expression
  if (!ts.isCallExpression(call)) return []
  const last = call.arguments.at(-1)
  if (last === undefined || !ts.isArrowFunction(last) || !ts.isBlock(last.body)) return []
  return last.body.statements.some(containsTest) ? last.body.statements : []
}

// `t.test(…)`, in a loop as well, and functions such as onEachEngine(t, …).
function containsTest (statement: ts.Statement): boolean {
  if (declaredBy(statement).length > 0) return false
  return /\bt\.test\(|^(?:await )?on[A-Z]\w*\(\s*t,/.test(statement.getText())
}

function declaredBy (statement: ts.Statement): ts.Identifier[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => boundBy(name))
  }
  const { name } = statement as ts.Statement & { name?: ts.Node }
  return name !== undefined && ts.isIdentifier(name) ? [name] : []
}

function boundBy (name: ts.BindingName): ts.Identifier[] {
  if (ts.isIdentifier(name)) return [name]
  return name.elements.flatMap((element) => ts.isBindingElement(element) ? boundBy(element.name) : [])
}

const getId = (name: ts.Identifier): string => `${name.text}@${name.pos}`

function exportedBy (statement: ts.Statement): string[] {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause: clause } = statement
    return clause !== undefined && ts.isNamedExports(clause) ? clause.elements.map(({ name }) => name.text) : []
  }
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) ?? [] : []
  const isExported = modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  return isExported ? declaredBy(statement).map(({ text }) => text) : []
}

function importedBy (statement: ts.Statement): Import[] {
  if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
  const from = statement.moduleSpecifier
  if (from === undefined || !ts.isStringLiteral(from)) return []
  const toImport = (name: ts.Identifier, origin = name.text): Import => ({
    local: name.text,
    id: getId(name),
    name: origin,
    from: from.text
  })
  if (ts.isExportDeclaration(statement)) {
    return exportedBy(statement).map((name) => ({ local: name, id: `${name}@${from.text}`, name, from: from.text }))
  }
  const { name, namedBindings: bindings } = statement.importClause ?? {}
  const whole = name === undefined ? [] : [toImport(name, 'default')]
  if (bindings === undefined) return whole
  if (ts.isNamespaceImport(bindings)) return [...whole, toImport(bindings.name, '*')]
  return [...whole, ...bindings.elements.map((one) => toImport(one.name, (one.propertyName ?? one.name).text))]
}

function findUses (
  statement: ts.Statement,
  body: readonly ts.Statement[],
  checker: ts.TypeChecker
): Pick<Part, 'uses' | 'assigns'> {
  const [uses, assigns] = [new Set<string>(), new Set<string>()]
  const visit = (node: ts.Node): void => {
    if (body.includes(node as ts.Statement)) return
    if (ts.isIdentifier(node)) {
      for (const id of findDeclarations(node, checker)) (isAssigned(node) ? assigns : uses).add(id)
    }
    ts.forEachChild(node, visit)
  }
  visit(statement)
  return { uses: [...uses], assigns: [...assigns] }
}

function findDeclarations (node: ts.Identifier, checker: ts.TypeChecker): string[] {
  const symbol = ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : ts.isExportSpecifier(node.parent)
    ? checker.getExportSpecifierLocalTargetSymbol(node.parent)
    : checker.getSymbolAtLocation(node)
  return (symbol?.declarations ?? []).flatMap((declaration) => {
    const { name } = declaration as ts.Declaration & { name?: ts.Node }
    // What declares a name does not use it.
    return name !== undefined && name !== node && ts.isIdentifier(name) ? [getId(name)] : []
  })
}

function isAssigned (node: ts.Identifier): boolean {
  const { parent } = node
  return ts.isBinaryExpression(parent) && parent.left === node &&
    parent.operatorToken.kind === ts.SyntaxKind.EqualsToken
}

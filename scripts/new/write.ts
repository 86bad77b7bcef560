import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { addEntries, addImport, insertBefore } from './edit.ts'
import { UsageError } from './fields.ts'
import type { Resource } from './resource.ts'
import { collectionFile } from './templates/mongo-collection.ts'
import { mongoRepositoryFile } from './templates/mongo-repository.ts'
import { routeTestFile } from './templates/route-test.ts'
import { routeFile } from './templates/route.ts'
import { schemaFile } from './templates/schema.ts'
import { sqlRepositoryFile } from './templates/sql-repository.ts'
import { constraints, getColumnNames, getDrizzleNames, getRuleNames, rules, table } from './templates/table.ts'

/** Files by their path in the repository, and what they are to hold. */
export type Files = Map<string, string>

/**
 * What a resource adds to the service and changes in it; nothing is written.
 * @param root folder of the service
 * @throws UsageError when something of that name is there
 */
export function planFiles (root: string, resource: Resource): { added: Files; changed: Files } {
  const { file, store } = resource
  const added: Files = new Map([
    [`schemas/${file}.ts`, schemaFile(resource)],
    [`plugins/repositories/${file}.ts`, store === 'sql' ? sqlRepositoryFile(resource) : mongoRepositoryFile(resource)],
    [`routes/${file}/index.ts`, routeFile(resource)],
    [`test/routes/${file}.test.ts`, routeTestFile(resource)],
    ...(store === 'sql' ? [] : [[`plugins/mongo/collections/${file}.ts`, collectionFile(resource)] as const])
  ])
  const there = [...added.keys()].find((name) => existsSync(path.join(root, name)))
  if (there !== undefined) throw new UsageError(`${there} is there already: take another name`)
  refuseTakenTypes(root, resource)
  const read = (name: string): string => readFileSync(path.join(root, name), 'utf8')
  const changed: Files = new Map([
    ['plugins/repositories/index.ts', addRepository(read('plugins/repositories/index.ts'), resource)]
  ])
  if (store === 'sql') {
    for (const dialect of ['postgres', 'sqlite'] as const) {
      changed.set(`drizzle/${dialect}.ts`, addTable(read(`drizzle/${dialect}.ts`), resource, dialect))
    }
    changed.set('drizzle/rules.ts', addRules(read('drizzle/rules.ts'), resource))
    changed.set('drizzle/constraints.ts', addConstraints(read('drizzle/constraints.ts'), resource))
  }
  return { added, changed }
}

/** Writes files, with the folders they need. */
export function writeFiles (root: string, files: Files): void {
  for (const [name, text] of files) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), text)
  }
}

// Names of components are those of the OpenAPI document, whatever the file; those of schemas are imported from there.
function refuseTakenTypes (root: string, { type, one }: Resource): void {
  const declared = new RegExp(
    `^export (?:const|function|type) (${type}(?:Create|Update|Params)?Schema|${one}List)\\b`,
    'm'
  )
  for (const name of readdirSync(path.join(root, 'schemas'))) {
    const text = readFileSync(path.join(root, 'schemas', name), 'utf8')
    const taken = [type, `${type}Create`, `${type}Update`].find((id) => text.includes(`$id: '${id}'`)) ??
      declared.exec(text)?.[1]
    if (taken !== undefined) throw new UsageError(`schemas/${name} has a ${taken} already: take another name`)
  }
}

function addTable (text: string, resource: Resource, dialect: 'postgres' | 'sqlite'): string {
  const { many } = resource
  if (new RegExp(`(const ${many} =|[{,]\\s*${many}\\b[\\s,}])`).test(text)) {
    throw new UsageError(`drizzle/${dialect}.ts has a ${many} already: take another name`)
  }
  const imported = addImport(
    text,
    getDrizzleNames(resource, dialect),
    `drizzle-orm/${dialect === 'postgres' ? 'pg' : dialect}-core`
  )
  const withColumns = addImport(imported, getColumnNames(resource, dialect), `./columns/${dialect}.ts`)
  const withRules = rules(resource).length === 0 ? withColumns : addImport(withColumns, ['rules'], './rules.ts')
  return insertBefore(withRules, 'export const outbox =', table(resource, dialect))
}

function addRules (text: string, resource: Resource): string {
  const entries = rules(resource)
  if (entries.length === 0) return text
  const isNamed = entries.some((entry) => entry.includes('CreateSchema'))
  const imported = isNamed ? addImport(text, [`${resource.type}CreateSchema`], `../schemas/${resource.file}.ts`) : text
  return addEntries(
    addImport(imported, getRuleNames(resource), './checks.ts'),
    /export const rules = \{/,
    '\n} satisfies',
    entries
  )
}

function addConstraints (text: string, resource: Resource): string {
  const entries = constraints(resource)
  if (entries.length === 0) return text
  const imported = addImport(text, ['rules'], './rules.ts')
  return addEntries(imported, /export const constraintProblems[^{]*\{/, '\n}', entries)
}

function addRepository (text: string, { file, many, type, store }: Resource): string {
  const create = `create${type}Repository`
  const opening = store === 'sql' ? /const inSql = \{/ : /const inMongo = \{/
  return addEntries(addImport(text, [create], `./${file}.ts`), opening, '}', [`${many}: ${create}`])
}

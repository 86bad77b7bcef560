import { capitalize, withArticle } from '../names.ts'
import type { Resource } from '../resource.ts'
import { filterType, missing, newAndChanges, violations } from './types.ts'

/** `plugins/repositories/<resource>.ts` of a resource in SQL. */
export function sqlRepositoryFile (resource: Resource): string {
  const { file, one, many, type, words } = resource
  return `import { and, eq, getTableColumns, param, sql } from 'drizzle-orm'
import type { Database, Tables } from '../../drizzle/index.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'
import { ${one}List, ${type}Schema } from '../../schemas/${file}.ts'
import type { ListRequest } from '../paging/cursor.ts'
import type { Page } from '../paging/page.ts'
import { sqlList } from '../sql/lists/sql-list.ts'
import { isExpected, toVersionLists, type Precondition, type VersionLists } from './expected-version.ts'

/** ${
    capitalize(withArticle(words))
  } as clients see it; reads of one and writes also return the \`version\`, of which the ETag is made. */
export type ${type} = Omit<Tables['${many}']['$inferSelect'], 'version'>
export type Stored${type} = Tables['${many}']['$inferSelect']
${newAndChanges(resource)}

// A field that is not given is null.
type Changes = { id: number } & { [Name in keyof New${type}]: New${type}[Name] | null }

${page(resource)}

${queries(resource)}

${repository(resource)}`
}

function page ({ table, many, one, type }: Resource): string {
  return `const pages = sqlList(${one}List, { name: '${table}', schema: ${type}Schema, table: ({ ${many} }) => ${many} })`
}

function queries ({ table, many, type, fields }: Resource): string {
  return `const queries = defineQueries('${table}', (db, { ${many} }, dialect) => {
  const { now } = dialect
  const { version } = getTableColumns(${many})

  // A field that is not given stays as it is.
  function changed (changes: Params<Changes>) {
    return {
${
    fields.map(({ name }) =>
      `      ${name}: sql\`coalesce(\${param(changes.${name}, ${many}.${name})}, \${${many}.${name}})\`,`
    ).join('\n')
  }
      updated_at: now,
      version: sql\`\${version} + 1\`
    }
  }

  return {
    create: (given: Params<New${type}>) =>
      db.insert(${many}).values({ ${fields.map(({ name }) => `${name}: given.${name}`).join(', ')} }).returning(),
    byId: ({ id }: Params<{ id: number }>) => db.select().from(${many}).where(eq(${many}.id, id)),
    update: (changes: Params<Changes>) =>
      db.update(${many}).set(changed(changes)).where(eq(${many}.id, changes.id)).returning(),
    updateIf: (changes: Params<Changes & VersionLists>) =>
      db.update(${many}).set(changed(changes)).where(and(eq(${many}.id, changes.id), isExpected(version, changes)))
        .returning(),
    delete: ({ id }: Params<{ id: number }>) => db.delete(${many}).where(eq(${many}.id, id)).returning({ id: ${many}.id }),
    deleteIf: ({ id, match, noneMatch }: Params<{ id: number } & VersionLists>) =>
      db.delete(${many}).where(and(eq(${many}.id, id), isExpected(version, { match, noneMatch })))
        .returning({ id: ${many}.id })
  }
})`
}

function repository (resource: Resource): string {
  const { type, pluralWords } = resource
  return `export type ${type}Repository = ReturnType<typeof create${type}Repository>

/**
 * ${capitalize(pluralWords)} in the SQL database.
 * @param db the handle to run on: \`request.db\`, \`app.db\`, a savepoint
 */
export function create${type}Repository (db: Database) {
  const run = queries.on(db)
  const readPage = pages.on(db)
  return {
${createAndRead(resource)}

${changeAndDelete(resource)}
  }
}
`
}

function createAndRead (resource: Resource): string {
  const { one, type, pluralWords } = resource
  return `    /** ${violations(resource)} */
    async create (${one}: New${type}): Promise<Stored${type}> {
      const [created] = await run.create(${one})
      return created as Stored${type}
    },

    async getById (id: number): Promise<Stored${type} | null> {
      const [${one}] = await run.byId({ id })
      return ${one} ?? null
    },

    /** ${capitalize(pluralWords)} by id, or as asked. */
    async list (page: ListRequest${filterType(resource)}): Promise<Page<${type}>> {
      return await readPage(page)
    },`
}

function changeAndDelete (resource: Resource): string {
  const { one, type, words, fields } = resource
  return `    /** Changes only the fields that are given; ${missing(resource)}. */
    async update (id: number, given: ${type}Changes, expected: Precondition = {}): Promise<Stored${type} | null> {
      const changes = { id, ${fields.map(({ name }) => `${name}: given.${name} ?? null`).join(', ')} }
      const lists = toVersionLists(expected)
      const [${one}] = lists === undefined ? await run.update(changes) : await run.updateIf({ ...changes, ...lists })
      return ${one} ?? null
    },

    /** True when there was such ${withArticle(words)}, as expected. */
    async delete (id: number, expected: Precondition = {}): Promise<boolean> {
      const lists = toVersionLists(expected)
      const rows = lists === undefined ? await run.delete({ id }) : await run.deleteIf({ id, ...lists })
      return rows.length > 0
    }`
}

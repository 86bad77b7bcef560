import { capitalize, withArticle } from '../names.ts'
import type { Resource } from '../resource.ts'
import { missing, newAndChanges, violations } from './types.ts'

/** `plugins/repositories/<resource>.ts` of a resource in SQL. */
export function sqlRepositoryFile (resource: Resource): string {
  const { file, many, type, words } = resource
  return `import { and, asc, eq, getTableColumns, gt, param, sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { Database, Dialect, Tables } from '../../drizzle/index.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'
import { ${type}Schema } from '../../schemas/${file}.ts'
import type { Page, PageRequest } from '../paging/page.ts'
import { textList } from '../sql/json/list.ts'
import { sqlPages } from '../sql/json/page-reader.ts'
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

function page ({ many, type }: Resource): string {
  return `// A page as JSON text, written by the database.
function page (
  db: Database,
  dialect: Dialect,
  { where, limit, skip }: { where?: SQL; limit: Placeholder; skip?: Placeholder }
) {
  const { ${many} } = dialect.tables
  const chosen = db.select().from(${many}).where(where).orderBy(asc(${many}.id)).limit(limit).$dynamic()
  return textList(db, dialect, db.$with('page').as(skip === undefined ? chosen : chosen.offset(skip)), {
    schema: ${type}Schema,
    keys: ({ id }) => ({ id }),
    order: ({ id }) => [asc(id)]
  })
}`
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
    list: ({ limit, skip }: Params<{ limit: number; skip: number }>) => page(db, dialect, { limit, skip }),
    listAfter: ({ limit, after }: Params<{ limit: number; after: number }>) =>
      page(db, dialect, { where: gt(${many}.id, after), limit }),
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
  const { table, type, pluralWords } = resource
  return `const toPage = sqlPages('${table}', ${type}Schema, ({ id }: { id: number }) => id)

export type ${type}Repository = ReturnType<typeof create${type}Repository>

/**
 * ${capitalize(pluralWords)} in the SQL database.
 * @param db the handle to run on: \`request.db\`, \`app.db\`, a savepoint
 */
export function create${type}Repository (db: Database) {
  const run = queries.on(db)
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

    /** ${capitalize(pluralWords)} by id. */
    async list ({ limit, skip = 0, after }: PageRequest<number>): Promise<Page<${type}, number>> {
      const rows = after === undefined
        ? await run.list({ limit: limit + 1, skip })
        : await run.listAfter({ limit: limit + 1, after })
      return toPage(rows, { limit })
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

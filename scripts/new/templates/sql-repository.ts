import { capitalize, withArticle } from '../names.ts'
import type { Resource } from '../resource.ts'
import { missing, newAndChanges, violations } from './types.ts'

/** `plugins/repositories/<resource>.ts` of a resource in SQL. */
export function sqlRepositoryFile (resource: Resource): string {
  const { many, type, words } = resource
  return `import { and, asc, eq, getTableColumns, gt, param, sql } from 'drizzle-orm'
import type { Database, Tables } from '../../drizzle/index.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'
import { toPage, type Page, type PageRequest } from '../paging/page.ts'
import { isExpected, toVersionLists, type Precondition, type VersionLists } from './expected-version.ts'

/** ${
    capitalize(withArticle(words))
  } as clients see it; reads of one and writes also return the \`version\`, of which the ETag is made. */
export type ${type} = Omit<Tables['${many}']['$inferSelect'], 'version'>
export type Stored${type} = Tables['${many}']['$inferSelect']
${newAndChanges(resource)}

// A field that is not given is null.
type Changes = { id: number } & { [Name in keyof New${type}]: New${type}[Name] | null }

${queries(resource)}

${repository(resource)}`
}

function queries ({ table, many, one, type, fields }: Resource): string {
  return `const queries = defineQueries('${table}', (db, { ${many} }, { now }) => {
  const { version, ...${one} } = getTableColumns(${many})

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
    list: ({ limit, skip }: Params<{ limit: number; skip: number }>) =>
      db.select(${one}).from(${many}).orderBy(asc(${many}.id)).limit(limit).offset(skip),
    listAfter: ({ limit, after }: Params<{ limit: number; after: number }>) =>
      db.select(${one}).from(${many}).where(gt(${many}.id, after)).orderBy(asc(${many}.id)).limit(limit),
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
      return toPage(rows, limit, ({ id }) => id)
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

import type { Field } from '../fields.ts'
import { capitalize } from '../names.ts'
import type { Resource } from '../resource.ts'
import { getSorted } from './list.ts'

type Dialect = 'postgres' | 'sqlite'

/** The table of a resource, for `drizzle/postgres.ts` and `drizzle/sqlite.ts`. */
export function table (resource: Resource, dialect: Dialect): string {
  const { many, table: name, fields, pluralWords } = resource
  const one = ['byCharacter', 'byLength', 'check', 'index', 'rule', 'rules', 'uniqueIndex'].includes(resource.one)
    ? 'row'
    : resource.one
  const call = dialect === 'postgres' ? 'pgTable' : 'sqliteTable'
  const rules = [
    ...fields.filter(({ isUnique }) => isUnique).map(({ name: field }) =>
      `uniqueIndex('${name}_${field}_key').on(${one}.${field})`
    ),
    ...getSorted(resource).map((field) =>
      `index('${name}_${field.name}_idx').on(${toTerms(field, one, dialect)}, ${one}.id)`
    ),
    ...fields.filter(isChecked).map(({ name: field }) => {
      const rule = `${name}_${field}_check`
      return `check('${rule}', rules.${rule}.check(${one}.${field}))`
    })
  ]
  const comment = dialect === 'postgres' ? `/** ${capitalize(pluralWords)}. \`version\` counts the writes. */\n` : ''
  return `${comment}export const ${many} = ${call}('${name}', {
  id: id(),
${fields.map((field) => `  ${field.name}: ${toColumn(field, dialect)}.notNull(),`).join('\n')}
  version: ${dialect === 'postgres' ? "bigint({ mode: 'number' })" : 'integer()'}.notNull().default(1),
  created_at: createdAt(),
  updated_at: createdAt()
}${rules.length === 0 ? '' : `, (${one}) => [\n${rules.map((rule) => `  ${rule}`).join(',\n')}\n]`})
`
}

/** What the columns and rules of a resource need of Drizzle. */
export function getDrizzleNames (resource: Resource, dialect: Dialect): string[] {
  const { fields } = resource
  const types = fields.map((field) => /^\w+/.exec(toColumn(field, dialect))?.[0] ?? '')
  return [
    ...types,
    ...(dialect === 'postgres' ? ['bigint'] : ['integer']),
    ...(fields.some(({ isUnique }) => isUnique) ? ['uniqueIndex'] : []),
    ...(getSorted(resource).length > 0 ? ['index'] : []),
    ...(fields.some(isChecked) ? ['check'] : [])
  ]
}

/** What they need of `drizzle/columns/`. */
export function getColumnNames (resource: Resource, dialect: Dialect): string[] {
  const types = getSorted(resource).map(({ type }) => type)
  const helper = dialect === 'postgres' ? ['text', 'byCharacter'] as const : ['decimal', 'byLength'] as const
  return ['createdAt', 'id', ...(types.includes(helper[0]) ? [helper[1]] : [])]
}

// The terms that a list is ordered by, before the id.
function toTerms ({ name, type }: Field, one: string, dialect: Dialect): string {
  if (type === 'text' && dialect === 'postgres') return `byCharacter(${one}.${name})`
  return type === 'decimal' && dialect === 'sqlite' ? `byLength(${one}.${name}), ${one}.${name}` : `${one}.${name}`
}

/** Entries of `drizzle/rules.ts`. */
export function rules ({ table, type, fields }: Resource): string[] {
  return fields.filter(isChecked).map((field) => {
    const name = `${table}_${field.name}_check`
    const bounds = `${type}CreateSchema.properties.${field.name}`
    return `${name}: ${getRule(field)}(${field.type === 'decimal' ? '' : bounds})`
  })
}

/** The functions of `drizzle/checks.ts` that the rules of a resource call. */
export function getRuleNames ({ fields }: Resource): string[] {
  return fields.filter(isChecked).map(getRule)
}

function getRule ({ type }: Field): string {
  return { text: 'hasLength', integer: 'isBetween', decimal: 'isNotNegative', boolean: '' }[type]
}

/** Entries of `drizzle/constraints.ts`. */
export function constraints ({ table, words, fields }: Resource): string[] {
  return fields.flatMap((field) => {
    const pointer = `pointer: '/${field.name}'`
    const key = `${table}_${field.name}_key: { ${pointer}, detail: '${uniqueDetail(words, field)}' }`
    const check = `${table}_${field.name}_check: { ${pointer}, detail: rules.${table}_${field.name}_check.detail }`
    return [...(field.isUnique ? [key] : []), ...(isChecked(field) ? [check] : [])]
  })
}

/** What a client is told where a value is taken. */
export function uniqueDetail (words: string, { name }: Field): string {
  return `${capitalize(words)} with this ${name.replaceAll('_', ' ')} already exists`
}

function isChecked ({ type }: Field): boolean {
  return type !== 'boolean'
}

function toColumn (field: Field, dialect: Dialect): string {
  const isPostgres = dialect === 'postgres'
  switch (field.type) {
    case 'text':
      return 'text()'
    case 'integer':
      return 'integer()'
    case 'decimal':
      return isPostgres ? `numeric({ precision: ${field.precision}, scale: ${field.scale} })` : 'text()'
    default:
      return isPostgres ? 'boolean()' : "integer({ mode: 'boolean' })"
  }
}

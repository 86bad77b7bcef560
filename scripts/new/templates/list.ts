import type { Field } from '../fields.ts'
import type { Resource } from '../resource.ts'

/** Longer texts do not fit into the key of an index, or of a cursor. */
const LONGEST_SORTED = 255

/** Fields by which the list of a resource may be sorted: unique ones and numbers. */
export function getSorted ({ fields }: Resource): Field[] {
  return fields.filter((field) =>
    field.type === 'decimal' || field.type === 'integer' || (field.isUnique && isShort(field))
  )
}

/** The declaration of a list, for `schemas/<resource>.ts`. */
export function listDeclaration (resource: Resource): string {
  const { store, type, one } = resource
  const own = store === 'sql' ? "id: 'integer'" : "created_at: 'date'"
  const sorts = [own, ...getSorted(resource).map((field) => `${field.name}: '${getKind(field)}'`)]
  const unique = getFiltered(resource).map(({ name }) => `${name}: fields.${name}`)
  return `export const ${one}List = defineList(${type}Schema, {
  ids: '${store === 'sql' ? 'row' : 'document'}',
  order: '${store === 'sql' ? 'id' : '-created_at'}',
  sort: { ${sorts.join(', ')} },
  filters: {},
  unique: {${unique.length === 0 ? '' : ` ${unique.join(', ')} `}}
})`
}

/** Fields by which the list of a resource may be filtered: the unique ones, whose index finds the item. */
export function getFiltered ({ fields }: Resource): Field[] {
  return fields.filter(({ isUnique }) => isUnique)
}

function isShort (field: Field): boolean {
  return field.type !== 'text' || field.maxLength <= LONGEST_SORTED
}

function getKind ({ type }: Field): string {
  return type === 'boolean' ? 'integer' : type
}
